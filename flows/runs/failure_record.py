"""What the manifest of a run says if the run raised an error."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from data_contracts.errors import NightcastError, RunInterrupted, redact
from tasks.engine.failure import StepFailure
from tasks.engine.run_log import Entry
from tasks.results.run import RunResults
from tasks.results.steps import ReportResult
from tasks.storage.store import Store

REQUIRED_STEPS = ("ingest", "validate", "cut_windows", "forecast")


class ResultsNotStored(NightcastError):
    """Steps that a night can do without failed because the store could not be used; what was published stays."""

    advice = "Follow the reason below, then run the same night again: finished steps are taken from the cache."

    def __init__(self, failures: Sequence[StepFailure], published: str | None) -> None:
        if published:
            self.headline = "The forecasts are published, but the store could not take all results of the night."
            state = f"the forecasts are published ({published})"
        else:
            self.headline = "The store could not take all results of this run."
            state = "this run publishes no forecast"
        steps = ", ".join(failure.step for failure in failures)
        super().__init__(f"{state}, but the store could not take the results of {steps}: {failures[0].reason}")


def require_stored(results: RunResults, reported: ReportResult | StepFailure) -> None:
    """Raise ResultsNotStored if a step failed for want of a store that can be used; the manifest is not written then.

    Args:
        results: The results of the run, as they are published.
        reported: The result of the page.

    Raises:
        ResultsNotStored: The store was full, or refused a write or a read.
    """
    steps = (*results.failures, reported)
    failures = [failure for failure in steps if isinstance(failure, StepFailure) and failure.is_of_store]
    if failures:
        raise ResultsNotStored(failures, results.forecasted.published.uri if results.forecasted else None)


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
