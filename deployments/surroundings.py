"""Prepares the process before the heavy libraries are imported: where Prefect keeps its own, and who may talk."""

import logging
import os
import sys
from pathlib import Path


def prepare(verbose: bool = False, quiet: bool = False) -> None:
    """Give Prefect a home beside the store, keep its console for real trouble, and send our own lines to stderr.

    A home of our own: a Prefect of another version in the user's home must neither be touched nor trusted. It lies
    beside the store, not in it, since it may be deleted at any time and the store may not.
    """
    store = os.environ.get("NIGHTCAST_STORE", "store")
    beside = Path.cwd() if "://" in store else Path(store).resolve().parent
    defaults = {
        "PREFECT_HOME": str(beside / ".prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("nightcast")
    log.handlers[:] = [handler]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False
