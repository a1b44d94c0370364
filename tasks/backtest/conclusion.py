"""The conclusion of a backtest: scores best first, and what has to be known to read them."""

import pandas as pd

from data_contracts.artifact import Artifact
from tasks.backtest.settings import BacktestPlan
from tasks.modeling.candidate import Candidate, trained_until
from tasks.results.backtest import BacktestOutcome, Origin, OriginList
from tasks.results.steps import ValidatedTable
from tasks.scoring import score_backtest
from tasks.storage.store import Store

CURRENT_NOTE = (
    "{count} of {total} origins used the values of now: values that were corrected after the origin, and known "
    "covariates that were forecasts themselves, are better than they were. Set columns.known_at, if the source keeps "
    "the versions of its rows."
)
SAMPLE_NOTE = (
    "{count} of {total} origins lie in the data that {label} was trained on: its errors there are too low. Start after "
    "{until:%Y-%m-%d %H:%M} UTC, or use --refit."
)
SKIPPED_NOTE = "{count} origins were skipped, the first at {first:%Y-%m-%d %H:%M} UTC: {reason}."


def conclude(
    listed: OriginList,
    forecasts: tuple[Artifact, ...],
    fixed: tuple[Candidate, ...],
    validated: ValidatedTable,
    plan: BacktestPlan,
    store: Store,
) -> BacktestOutcome:
    """Score the forecasts and describe the backtest.

    Args:
        listed: The origins, and those that were skipped.
        forecasts: The tables of `forecast_all`.
        fixed: The models that the backtest did not train.
        validated: The clean table of now, with the actuals.
        plan: Settings of the backtest and of its scores.
        store: The store that holds the tables and takes the scores.

    Returns:
        The outcome.
    """
    origins, metric = listed.origins, plan.setup.evaluation.metric
    scored = score_backtest(forecasts, validated.clean, origins[0].cutoff, plan.scoring, plan.setup, store)
    ranked = sorted(scored.overall, key=lambda row: (row[metric] is None, row[metric] or 0.0))
    overlaps = {
        model.label: (count, until)
        for model in fixed
        if (until := trained_until(model, store)) is not None and (count := _count_before(until, origins))
    }
    best = ranked[0]
    return BacktestOutcome(
        pipeline=plan.pipeline,
        as_of=plan.as_of,
        first=origins[0].as_of,
        last=origins[-1].as_of,
        origins=len(origins),
        series=max(row["series"] for row in ranked),
        refit=str(plan.settings.refit),
        weights=plan.settings.weights,
        known=listed.counts,
        in_sample={label: count for label, (count, _) in overlaps.items()},
        skipped=listed.skipped,
        notes=tuple(describe(listed, overlaps)),
        metric=metric,
        leaderboard=tuple(ranked),
        forecasts=scored.forecasts,
        scores=scored.scores,
        sentence=f"{len(origins):,} origins, {metric}: {best['model_name']} is best"
        + (f" with {best[metric]:.4g}" if best[metric] is not None else ""),
    )


def _count_before(until: pd.Timestamp, origins: tuple[Origin, ...]) -> int:
    """Count the origins of which the first target is not after `until`."""
    return sum(pd.Timestamp(origin.cutoff) < until for origin in origins)


def describe(listed: OriginList, overlaps: dict[str, tuple[int, pd.Timestamp]]) -> list[str]:
    """Return the notes of a backtest: origins with the values of now, in training data, and skipped.

    Args:
        listed: The origins.
        overlaps: By model, how many origins lie in its training data, and where these end.

    Returns:
        Sentences, each with what to do.
    """
    total, current = len(listed.origins), listed.counts.get("current", 0)
    notes = [CURRENT_NOTE.format(count=current, total=total)] if current else []
    notes += [
        SAMPLE_NOTE.format(count=count, total=total, label=label, until=until)
        for label, (count, until) in overlaps.items()
    ]
    if listed.skipped:
        first = listed.skipped[0]
        reason = first.reason.splitlines()[0].rstrip(".")
        notes.append(SKIPPED_NOTE.format(count=len(listed.skipped), first=first.as_of, reason=reason))
    return notes
