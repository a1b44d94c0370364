"""What the manifest of a run says if the run raised an error."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from data_contracts.errors import NightcastError, RunInterrupted, redact
from tasks.engine.run_log import Entry
from tasks.storage.store import Store

REQUIRED_STEPS = ("ingest", "validate", "cut_windows", "forecast")


def describe_failure(error: Exception, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the keys of a manifest that describe an error and the steps before it.

    Args:
        error: The error of the run. One that is not Nightcast's, or a signal, makes the run failed, not refused.
        entries: The steps that ended before it.

    Returns:
        The keys outcome, error, headline, reason, exit_code, quarantine and steps.
    """
    is_refusal = isinstance(error, NightcastError) and not isinstance(error, RunInterrupted)
    return {
        "outcome": "refused" if is_refusal else "failed",
        "error": type(error).__name__,
        "headline": getattr(error, "headline", NightcastError.headline),
        "reason": redact(str(error)),
        "exit_code": getattr(error, "exit_code", 1),
        "quarantine": getattr(error, "quarantine", None),
        "steps": [entry.model_dump() for entry in entries],
    }


def first_missing_step(entries: Sequence[Entry]) -> str:
    """Return the first required step without an entry; `report` if all have one."""
    done = {entry.step for entry in entries}
    return next((step for step in REQUIRED_STEPS if step not in done), "report")


def rerun_command(flow: str, argument: str, as_of: datetime) -> str:
    """Return the command that runs the same night again."""
    return f"nightcast {flow} {shlex.quote(argument)} --as-of {as_of:%Y-%m-%dT%H:%M:%SZ}"


def locate(uri: str, store: Store) -> str:
    """Return the absolute path of a file of the store, or its URL without a password."""
    root = store.display_root.rstrip("/")
    return f"{root if '://' in root else Path(root).absolute()}/{uri}"


def describe_second(first: Exception, second: Exception) -> str:
    """Return why a failure could not be recorded, without repeating the failure."""
    return "for the same reason" if type(second) is type(first) else redact(str(second))
