"""The runner of `nightcast up`: serves every pipeline with its schedule, each run in a process of its own.

`python -m deployments.server.runner`. What it serves, and how the last nights ended, it tells as a line of JSON on stdout.
"""

import contextlib
import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from deployments.process_environment import variable
from deployments.server.automations import automations, register
from deployments.server.deployment_catalogue import Catalogue, catalogue, registered
from deployments.server.notifications import block_to_notify
from flows.pipeline.schedule import scheduled_times
from flows.pipeline.spec import PipelineSpec
from flows.runs.run_order import mark_dead_runs
from flows.settings import Settings
from tasks.results.manifest import newest, read_all

log = logging.getLogger("nightcast")

MAX_CONCURRENT_RUNS = 4  # runs; of one pipeline only one writes anyway
POLL_INTERVAL_S = 5.0  # seconds between two lines


def main() -> None:
    """Mark what an earlier runner left behind, then serve until told to stop."""
    settings, home = Settings(), Path(variable("PREFECT_HOME"))
    found = catalogue(settings.pipelines)
    _wait_for_the_server()
    with get_client(sync_client=True) as client:
        left = mark_dead_runs(client, timedelta(0))
        block = block_to_notify(client, home / "notices.log")
        register(client, automations(found.specs, block) if block else [])
    threading.Thread(target=_tell, args=(found, settings, len(left)), daemon=True).start()
    prefect.serve(
        *found.deployments,
        name="nightcast",
        pause_on_shutdown=False,  # a night that is due while nothing runs is late, and is made up for
        print_starting_message=False,
        limit=MAX_CONCURRENT_RUNS,
    )


def _wait_for_the_server() -> None:
    """The imports above took their time while the server started."""
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{PREFECT_API_URL.value()}/health", timeout=5.0).is_success:
                return
        time.sleep(0.2)


def _tell(found: Catalogue, settings: Settings, reaped: int) -> None:
    while True:
        try:
            status = {"served": _served(found), "reaped": reaped, "broken": found.broken}
            status["pipelines"] = [_pipeline(spec, settings) for spec in found.specs]
            sys.stdout.write(json.dumps(status) + "\n")
            sys.stdout.flush()
        except Exception as trouble:  # noqa: BLE001 - a server or a store that is away for a while comes again
            log.debug("no status this time: %s", trouble)
        time.sleep(POLL_INTERVAL_S)


def _served(found: Catalogue) -> int:
    """How many of the deployments the server knows."""
    with get_client(sync_client=True) as client:
        there = registered(client)
    return sum(f"{one.flow_name}/{one.name}" in there for one in found.deployments)


def _pipeline(spec: PipelineSpec, settings: Settings) -> dict[str, Any]:
    now = datetime.now(UTC)
    coming = next(scheduled_times(spec, now, now + timedelta(days=800)), None)
    last = newest(run for run in read_all(settings.opened_store, spec.name) if run.outcome)
    zone = spec.schedule.zone
    return {
        "name": spec.name,
        "next": f"{coming.astimezone(zone):%a %d %b %H:%M}" if coming else "never",
        "zone": zone.key,
        "last": f"{last.flow} of {last.as_of_text[:16]}: {last.outcome}" if last else "no run yet",
    }


if __name__ == "__main__":
    main()
