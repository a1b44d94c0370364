"""What the manifest of a run says if the run raised an error."""

from collections.abc import Sequence
from typing import Any

from data_contracts.errors import NightcastError, RunInterrupted, redact
from tasks.engine.run_log import Entry

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
