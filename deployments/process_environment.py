"""Prepares the process before the heavy libraries are imported: where Prefect keeps its own, and who may talk."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from data_contracts.errors import redact
from deployments.instance_lock import running_instance

REQUEST_TIMEOUT_S = 10.0  # seconds


def configure(verbose: bool = False, quiet: bool = False, looks_only: bool = False) -> None:
    """Give Prefect a home beside the store, keep its console for real trouble, and send our own lines to stderr.

    A home of our own: a Prefect of another version in the user's home must neither be touched nor trusted. It lies
    beside the store, not in it, since it may be deleted at any time and the store may not. A verb that only looks
    leaves nothing behind: its home is gone when it ends.
    """
    defaults = {
        "PREFECT_HOME": _passing_home() if looks_only else str(home_beside_the_store()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # 20 are not enough beside another night
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    _join_the_server_of_up()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("nightcast")
    log.handlers = [handler]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False


def drop_unreachable_server() -> None:
    """A night needs no Prefect server: if that of PREFECT_API_URL does not answer, this process starts its own."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return
    import httpx

    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=REQUEST_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as silent:
        del os.environ["PREFECT_API_URL"]
        told = "the Prefect server at %s does not answer (%s): this run goes on without it, and is not in its UI"
        logging.getLogger("nightcast").warning(told, redact(" ".join(url.split())), type(silent).__name__)


def _join_the_server_of_up() -> None:
    """Where `nightcast up` runs on this store, runs belong into its UI; two servers on one database would block."""
    told = running_instance(home_beside_the_store())
    if told and "PREFECT_API_URL" not in os.environ:
        os.environ["PREFECT_API_URL"] = f"{told['prefect']}/api"


def home_beside_the_store() -> Path:
    """Where Prefect keeps its own for this store."""
    store = os.environ.get("NIGHTCAST_STORE", "store")
    beside = Path.cwd() if "://" in store else Path(store).resolve().parent
    home = beside / ".prefect"
    return home if os.access(home if home.exists() else beside, os.W_OK) else Path(_passing_home())


def _passing_home() -> str:
    home = tempfile.mkdtemp(prefix="nightcast-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def variable(name: str) -> str:
    """A variable of the environment that is Prefect's or MLflow's own business; empty where it is not set."""
    return os.environ.get(name, "")


def environment(**more: str) -> dict[str, str]:
    """That of a child: this process's, and more."""
    return {**os.environ, **more}
