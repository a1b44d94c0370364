"""The section on what changed since the night before: champion, contract, history and series, each with the reason."""

from collections.abc import Sequence

import pandas as pd

from tasks.engine.failure import StepFailure
from tasks.report.page_data import HealthRow
from tasks.report.verdict import first_names, unregistered_reason
from tasks.results import steps
from tasks.results.revision import RevisionParts
from tasks.results.run import RunResults
from tasks.results.steps import RegistrationResult, RevisionsResult

CHANGE_STATES: dict[str, steps.Verdict] = {"breaking": "watch", "unclear": "watch", "compatible": "good"}
SIMPLE_FORECASTS = "linear map", "last value", "seasonal median"
MAX_CHANGES = 20  # of the contract, on the page; the manifest has all of them


def list_changes(
    results: RunResults, forecast: Sequence[str], before: Sequence[str] | None, retracted: Sequence[str] = ()
) -> tuple[HealthRow, ...]:
    """Describe what is different from the night before.

    Args:
        results: The results of the run.
        forecast: Series that were forecast tonight.
        before: Series of the newest earlier vintage; None for a first night.
        retracted: A sentence for each vintage that a person has taken back.

    Returns:
        One row for the champion, then one per change of the forecasting model, its shares, the series, the
        history, vintages and contract.
    """
    return (
        _champion(results),
        *_forecasting_model(results),
        *_moved_shares(results),
        *_new_series(forecast, before),
        *_revisions(results.revised),
        *_moved_forecast(results.attributed),
        *(HealthRow("Retracted", sentence) for sentence in retracted),
        *(
            HealthRow("Contract", f"{change.where}: {change.what}", change.effect, CHANGE_STATES[change.effect])
            for change in results.rewritten[:MAX_CHANGES]
        ),
    )


def _champion(results: RunResults) -> HealthRow:
    registered = results.registered
    if not isinstance(registered, RegistrationResult):
        label = results.champion.label if results.champion else "none"
        return HealthRow("Champion", label, unregistered_reason(results) or "No promotion was decided in this run.")
    if not registered.champion:
        return HealthRow("Champion", "none yet", registered.reason)
    value = f"{registered.champion.label} {'is new' if registered.moved else 'stays'}"
    return HealthRow("Champion", value, registered.reason, "good")


def _forecasting_model(results: RunResults) -> tuple[HealthRow, ...]:
    """Return a row if another model than the champion forecast."""
    main = results.forecasted.rung if results.forecasted else None
    if main is None or not main.degraded_reason:
        return ()
    return (HealthRow("Forecast by", f"{main.candidate.label}, a fallback", main.degraded_reason, "watch"),)


def _moved_shares(results: RunResults) -> tuple[HealthRow, ...]:
    """Return a row on the shares in the median that the newest forecasts of the model have moved."""
    changes = results.forecasted.share_changes if results.forecasted else ()
    if not changes:
        return ()
    value = ", ".join(f"{name} {100 * change:+.0f}" for name, change in zip(SIMPLE_FORECASTS, changes, strict=True))
    note = "percentage points that the newest errors move them by, mean over the series; the network has the rest"
    return (HealthRow("Shares in the median", value, note),)


def _new_series(forecast: Sequence[str], before: Sequence[str] | None) -> tuple[HealthRow, ...]:
    added = sorted(set(forecast) - set(before)) if before is not None else []
    if not added:
        return ()
    return (HealthRow("Series", f"{len(added)} forecast for the first time: {first_names(added)}"),)


def _revisions(revised: RevisionsResult | StepFailure | None) -> tuple[HealthRow, ...]:
    """Return a row on past values that the source has changed since the night before, if it has changed any."""
    if not isinstance(revised, RevisionsResult) or revised.table is None:
        return ()
    state: steps.Verdict = "watch" if revised.rewritten or revised.gone else "good"
    note = f"since the night before, the first: {revised.first}; all in {revised.table.uri}"
    return (HealthRow("Past values", revised.sentence, note, state),)


def _moved_forecast(parts: RevisionParts | StepFailure | None) -> tuple[HealthRow, ...]:
    """Return a row on how far the forecast moved since the night before at the times of both, and why."""
    if isinstance(parts, RevisionParts) and parts.obstacle:
        return (HealthRow("Forecast moved", parts.sentence, "", "good"),)
    if not isinstance(parts, RevisionParts) or parts.table is None:
        return ()
    note = f"over {parts.times:,} rows that both nights forecast, absolute; the largest: {parts.largest}; all in "
    return (HealthRow("Forecast moved", parts.sentence, f"{note}{parts.table.uri}", "good"),)


def published_series(table: pd.DataFrame) -> list[str]:
    """Return the names of the series in a forecast table, sorted."""
    return sorted(table["unique_id"].unique()) if len(table) else []
