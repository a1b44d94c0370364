"""Health checks of the Prefect server itself. What is registered on it is checked only if it answers.

Importing Prefect takes seconds, so a machine without a server does not import it.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from deployments.doctor.finding import MAX_CLOCK_SKEW_S, CheckContext, Finding
from deployments.instance_lock import was_interrupted
from deployments.process_environment import prefect_home, stores_with_up, variable

if TYPE_CHECKING:
    import httpx

REQUEST_TIMEOUT_S = 10.0
START_SERVER = "Start it: nightcast up, or on a server: prefect server start"


def check(context: CheckContext) -> Iterator[Finding]:
    """Check the Prefect server at PREFECT_API_URL and everything registered on it; report a missing one."""
    url = variable("PREFECT_API_URL")
    if not url:
        yield without_server()
        return
    import httpx

    begun = time.time()
    try:
        response = httpx.get(f"{url.rstrip('/')}/ready", timeout=REQUEST_TIMEOUT_S)
    except httpx.HTTPError as error:
        yield Finding("server", "bad", f"{url} does not answer: {type(error).__name__}", START_SERVER)
        return
    yield _check_server(url, response, (begun + time.time()) / 2)
    if response.is_server_error:
        return
    from deployments.doctor import prefect_checks

    yield from prefect_checks.check(context, url)


def without_server() -> Finding:
    """Return why no server is used: `nightcast up` was killed, or does not run on this store."""
    if was_interrupted(prefect_home()):
        return Finding("prefect", "bad", "nightcast up was killed and did not stop cleanly", "Restart it: nightcast up")
    message = "no Prefect server: PREFECT_API_URL is not set, and `nightcast up` does not run on this store"
    if others := stores_with_up():
        message += f"; it runs on {', '.join(f'the store {store} ({url})' for store, url in others.items())}"
    return Finding("prefect", "watch", message, "Run nights on schedule with nightcast up, or with cron.")


def _check_server(url: str, response: "httpx.Response", now: float) -> Finding:
    if not response.is_success:
        message = f"{url} answers {response.status_code}: its database does not answer"
        return Finding("server", "bad", message, "Check the server's log, and the database that it names.")
    date = response.headers.get("date")
    skew = abs(parsedate_to_datetime(date).timestamp() - now) if date else 0.0
    if skew > MAX_CLOCK_SKEW_S:
        message = f"the clocks of {url} and of this machine are {timedelta(seconds=round(skew))} apart"
        step = "Set both from the same time server: the server's clock schedules the nights."
        return Finding("clock", "bad", message, step)
    return Finding("server", "good", f"{url} answers, and so does its database")
