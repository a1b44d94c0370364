"""Sets environment variables and logging before Prefect and other heavy libraries are imported."""

import atexit
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from data_contracts.errors import redact
from deployments.environment_file import read_environment_file
from deployments.home_of_store import choose_home, claim_home, store_name
from deployments.instance_lock import running_instance
from deployments.log_format import log_to_stderr
from deployments.private_home import KEY_BYTES, HomeNotPrivate, close_home, read_api_key

REQUEST_TIMEOUT_S = 10.0
FIRST_SERVER_ERROR = 500  # HTTP status codes


def configure(verbose: bool = False, quiet: bool = False, read_only: bool = False, run: bool = False) -> None:
    """Read `.env`, set Prefect's home and log levels, send Nightcast's log to stderr. Variables that are set win.

    Prefect gets its own home because the user's home may belong to another Prefect version. The home lies next to
    the store and not inside it: it may be deleted at any time, the store may not.

    Args:
        verbose: log Prefect's messages from INFO on.
        quiet: log only warnings of Nightcast.
        read_only: use a temporary home, which is deleted when the process ends.
        run: this command runs a flow, which continues without Prefect if its server refuses calls for 15 seconds.
    """
    from_file = read_environment_file(Path.cwd())
    for name, value in from_file.values.items():
        os.environ.setdefault(name, value)
    defaults = {
        "PREFECT_HOME": _temporary_home() if read_only else str(prefect_home()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # default 20: too short if another night runs
    }
    defaults |= {"PREFECT_CLIENT_MAX_RETRIES": "3"} if run else {}  # after 2, 4 and 8 seconds; Prefect's default is 5
    os.umask(os.umask(0o022) | 0o022)  # what runs write may be read by a group, and written by its owner only
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if not read_only and os.environ["PREFECT_HOME"] == defaults["PREFECT_HOME"]:
        with contextlib.suppress(OSError, HomeNotPrivate):  # `up` refuses such a home, a night does not
            close_home(Path(defaults["PREFECT_HOME"]))
            if not claim_home(
                Path(defaults["PREFECT_HOME"]), current_store_name()
            ):  # a run of another store was faster
                os.environ["PREFECT_HOME"] = str(prefect_home())
                close_home(prefect_home())
    _use_server_of_up()
    if run and "PREFECT_API_URL" not in os.environ:
        _protect_temporary_server()
    log_to_stderr(quiet, variable("NIGHTCAST_LOG_LEVEL"), variable("NIGHTCAST_LOG_FORMAT"))
    for warning in from_file.warnings:
        logging.getLogger("nightcast").warning(warning)


def is_server_ready() -> bool:
    """Return whether the Prefect server at PREFECT_API_URL answers and reaches its database; True if none is set.

    A server that does not is named in a warning: the run continues without Prefect.
    """
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return True
    import httpx

    try:
        status = httpx.get(f"{url.rstrip('/')}/ready", timeout=REQUEST_TIMEOUT_S).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        problem = f"does not answer ({type(error).__name__})"
    else:
        if status < FIRST_SERVER_ERROR:
            return True
        problem = f"is not ready (HTTP {status})"
    message = "the Prefect server at %s %s: this run continues without it and is not in its UI"
    logging.getLogger("nightcast").warning(message, redact(" ".join(url.split())), problem)
    return False


def _use_server_of_up() -> None:
    """Use the server of `nightcast up` if it runs on this store: two servers on one database block each other."""
    instance = running_instance(prefect_home())
    if not instance or instance.get("store", current_store_name()) != current_store_name():
        return
    url, key = f"{instance['prefect']}/api", read_api_key(prefect_home())
    if os.environ.setdefault("PREFECT_API_URL", url).rstrip("/") == url and key:
        os.environ.setdefault("PREFECT_API_AUTH_STRING", key)


def _protect_temporary_server() -> None:
    """Give the server that Prefect starts for this process a password that no other user knows.

    Prefect reads its settings when it is imported: after that, its client would not know the password.
    """
    if "prefect" in sys.modules:
        return
    import secrets

    password = os.environ.setdefault("PREFECT_API_AUTH_STRING", f"nightcast:{secrets.token_urlsafe(KEY_BYTES)}")
    os.environ.setdefault("PREFECT_SERVER_API_AUTH_STRING", password)


def prefect_home() -> Path:
    """Return Prefect's home for this store, or a temporary folder if its folder is not writable.

    It is `.prefect` next to the store; a second store in the same folder has `.prefect-<name of the store>`.
    """
    store = os.environ.get("NIGHTCAST_STORE", "store")
    parent = Path.cwd() if "://" in store else Path(store).resolve().parent
    home = choose_home(parent, store_name(store))
    return home if os.access(home if home.exists() else parent, os.W_OK) else Path(_temporary_home())


def stores_with_up() -> dict[str, str]:
    """Return the other stores in the folder of this one for which `nightcast up` runs, with the URL of its server."""
    notes = [running_instance(home) for home in sorted(prefect_home().parent.glob(".prefect*"))]
    others = {str(note.get("store", "")): str(note.get("prefect", "")) for note in notes if note}
    return {store: url for store, url in others.items() if store and store != current_store_name()}


def current_store_name() -> str:
    """Return what identifies the store of this process in its folder."""
    return store_name(os.environ.get("NIGHTCAST_STORE", "store"))


def _temporary_home() -> str:
    home = tempfile.mkdtemp(prefix="nightcast-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def variable(name: str) -> str:
    """Return an environment variable that Prefect or MLflow reads; empty if it is not set."""
    return os.environ.get(name, "")


def child_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a child process: that of this process, updated with `variables`."""
    return {**os.environ, **variables}
