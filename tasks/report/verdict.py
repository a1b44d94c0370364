"""The verdict on a run and the three sentences that explain it."""

from collections.abc import Collection
from datetime import datetime

import pandas as pd

from models.data.panel import InputSpec
from models.diagnostics.effective_memory import explain_short_memory
from tasks.charts import formatting
from tasks.report.headline import data_age
from tasks.report.without_forecast import SILENT_CAUSES
from tasks.results import steps
from tasks.results.accuracy import AccuracyResult
from tasks.results.run import RunResults, trained_challengers
from tasks.results.steps import DriftResult, EvaluationResult, ForecastResult, RegistrationResult

MAX_NAMES = 5


def verdict(results: RunResults, view: InputSpec | None = None) -> tuple[steps.Verdict, tuple[str, ...]]:
    """Return the verdict and three lines: what was published, how good it is, what to look at.

    Args:
        results: The results of the run.
        view: Step and horizon of the pipeline, by which a run without a forecast knows old data.

    Returns:
        The verdict, and the lines.
    """
    warnings = list_warnings(results, view)
    state: steps.Verdict = "watch" if warnings else "good"
    last = (
        f"Look at: {'; '.join(warning.rstrip('.') for warning in warnings)}." if warnings else "Nothing to worry about."
    )
    return state, (_published_line(results), _quality_line(results), last)


def list_warnings(results: RunResults, view: InputSpec | None = None) -> tuple[str, ...]:
    """Return what to look at, each as one clause; empty after a good night."""
    return (*_failures(results), *list_other_warnings(results, view))


def list_other_warnings(results: RunResults, view: InputSpec | None = None) -> tuple[str, ...]:
    """Return what to look at besides failed steps, which the page shows in a box of their own."""
    old = _old_data(results, view) if view and results.forecasted is None else []
    return (*_step_warnings(results), *old, *_data_warnings(results))


def _failures(results: RunResults) -> list[str]:
    return [f"{failure.step} failed: {failure.reason}" for failure in results.failures]


def _step_warnings(results: RunResults) -> list[str]:
    """Return warnings about the store, a fallback, drift and models with a short memory."""
    warnings = [*results.notices]
    if results.forecasted and results.forecasted.rung.degraded_reason:
        absent = "the champion did not forecast" if results.champion else "the pipeline has no champion"
        warnings.append(f"{absent}: {results.forecasted.rung.degraded_reason}")
    warnings += [
        f"{len(part.series)} series not forecast by the main model but by {part.label}: "
        f"{first_names(part.series)} ({part.reason})"
        for part in (results.forecasted.fallbacks if results.forecasted else ())
    ]
    if isinstance(results.registered, RegistrationResult) and results.registered.excess:
        warnings.append(results.registered.excess)
    if isinstance(results.drifted, DriftResult) and results.drifted.drifted:
        warnings.append(f"drift: {results.drifted.summary}")
    warnings += [
        f"{model.candidate.name}: {explain_short_memory(model.memory)}"
        for model in trained_challengers(results.trained)
        if model.memory and not model.memory.sees_a_season
    ]
    return warnings


def _data_warnings(results: RunResults) -> list[str]:
    """Return warnings about stale data, quarantined rows, series without a forecast, and the contract."""
    warnings = []
    validated, forecasted = results.validated, results.forecasted
    if forecasted and _is_over(forecasted, results.night.as_of):
        warnings.append(
            f"the source is stale: its newest observation is from {validated.cutoff:%Y-%m-%d %H:%M} UTC, "
            "and all times of the forecast have passed"
        )
    if validated.health.quarantined:
        count = validated.health.quarantined
        warnings.append(f"{count:,} row{'s are' if count > 1 else ' is'} in quarantine")
    if excluded := validated.health.set_aside:
        warnings.append(
            f"{len(excluded)} series broke a rule and were excluded from the forecast: {first_names(excluded)}"
        )
    if breaking := sum(change.effect == "breaking" for change in results.rewritten):
        warnings.append(f"the contract changed since the last night: {breaking} breaking change{_plural(breaking)}")
    if findings := len(validated.findings):
        warnings.append(f"{findings} finding{_plural(findings)} in the data, listed under data health")
    silent = {*validated.health.ended, *(forecasted.left_out if forecasted else ())}
    silent -= {name for part in (forecasted.fallbacks if forecasted else ()) for name in part.series}
    if silent:
        warnings.append(
            f"{len(silent)} series ended or lack future covariates and were not forecast: {first_names(silent)}"
        )
    reported = {*silent, *excluded}
    for cause in dict.fromkeys(entry.cause for entry in results.without_forecast if entry.cause not in SILENT_CAUSES):
        names = [entry.series for entry in results.without_forecast if entry.cause == cause]
        if remaining := [name for name in names if name not in reported]:
            warnings.append(f"{len(remaining)} series not forecast, {cause}: {first_names(remaining)}")
    return warnings


def _old_data(results: RunResults, view: InputSpec) -> list[str]:
    """Return a warning if a forecast from these data, which this run does not make, would have passed."""
    cutoff = pd.Timestamp(results.validated.cutoff)
    age = data_age(cutoff, results.night.as_of, view.freq)
    if cutoff + age < cutoff + view.horizon * pd.tseries.frequencies.to_offset(view.freq):
        return []
    return [
        f"the data are old: the newest observation is from {cutoff:%Y-%m-%d %H:%M} UTC and ended "
        f"{formatting.duration(age.total_seconds())} before the as-of, longer ago than a forecast reaches"
    ]


def _is_over(forecasted: ForecastResult, as_of: datetime) -> bool:
    """Return whether the last period of the forecast has passed."""
    return forecasted.over <= as_of if forecasted.over else forecasted.last < as_of


def _plural(count: int) -> str:
    return "s" if count > 1 else ""


def first_names(names: Collection[str]) -> str:
    """List the first names in order, with … if there are more."""
    return ", ".join(sorted(names)[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")


def _published_line(results: RunResults) -> str:
    if results.forecasted is None:
        return f"This run makes no forecast; data are known up to {results.validated.cutoff:%Y-%m-%d %H:%M} UTC."
    count, series = f"{results.forecasted.table.rows:,}", results.forecasted.series
    if results.forecasted.kept:
        return f"{count} forecasts for {series} series stay as an earlier run of this night has published them."
    model = results.forecasted.rung.candidate
    source = f"champion {model.label}" if model.role == "champion" else f"baseline {model.label} as a fallback"
    return f"{count} forecasts for {series} series, by {source}."


def unregistered_reason(results: RunResults) -> str | None:
    """Say why no promotion was decided although models were evaluated; None if none was evaluated."""
    if not isinstance(results.evaluated, EvaluationResult):
        return None
    count = len(results.evaluated.candidates)
    failed = next((failure for failure in results.failures if failure.step == "register"), None)
    reason = ", because step register failed" if failed else ""
    return f"{count} model{_plural(count)} were evaluated and no promotion was decided{reason}."


def _quality_line(results: RunResults) -> str:
    sentences = []
    if isinstance(results.registered, RegistrationResult):
        outcome = "New champion" if results.registered.moved else "No promotion"
        sentences.append(f"{outcome}: {results.registered.reason}.")
    elif decision := unregistered_reason(results):
        sentences.append(decision)
    if isinstance(results.realised, AccuracyResult) and results.realised.scores:
        sentences.append(f"{results.realised.summary[0].upper()}{results.realised.summary[1:]}.")
    return " ".join(sentences) or "No model was evaluated in this run."
