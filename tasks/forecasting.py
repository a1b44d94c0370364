"""Step 7 · champion + clean → published forecasts: the best there is tonight, one rung of the ladder at a time.

champion ── beaten tonight ──> the best baseline      champion ── damaged ──> a former champion ──> baselines
Every row says which rung it comes from, and why not from the champion.
"""

import math

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, NoChampion
from tasks.engine.step import step
from tasks.modeling import forecasts
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import forecast_table, load_comparable
from tasks.modeling.scores import quantile_columns
from tasks.modeling.training_data import load_window_index, window_cutoffs
from tasks.results.steps import Fallback, ForecastOptions, ForecastResult, RunContext
from tasks.storage import vintages
from tasks.storage.store import Store


def fallback_order(stand: ForecastOptions, scores: pd.DataFrame, metric: str) -> list[Fallback]:
    """Who may forecast, first choice first: the champion if nothing beats it tonight, its forerunners, baselines."""
    champion, ranked, baselines = stand.champion, {}, []
    if stand.evaluated is not None:
        ranked = dict(zip(scores["bundle"], scores[metric], strict=True))
        fitted = [one for one in stand.evaluated.candidates if one.role == "baseline"]
        baselines = sorted(fitted, key=lambda one: _last_if_nan(ranked[one.bundle.digest]))
    rungs = [Fallback(candidate=champion)] if champion else []
    if champion and baselines:
        best, ours = baselines[0], ranked.get(champion.bundle.digest, -math.inf)
        theirs = _last_if_nan(ranked[best.bundle.digest])
        if math.isfinite(theirs) and not ours <= theirs:
            why = f"{best.label} has the lower {metric} tonight: {theirs:.4g} against {ours:.4g} of {champion.label}"
            rungs.insert(0, Fallback(candidate=best, degraded_reason=why))
    why = "the champion can't forecast" if champion else "no model has beaten every baseline yet"
    return rungs + [Fallback(candidate=one, degraded_reason=why) for one in (*stand.formers, *baselines)]


def _last_if_nan(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def first_usable_forecast(
    rungs: list[Fallback], clean: pd.DataFrame, rows: pd.DataFrame, question: ForecastSetup, store: Store
) -> tuple[Fallback, pd.DataFrame]:
    """The first rung that gives a whole, finite table; raises the first rung's error where none does."""
    problems: list[NightcastError] = []
    for rung in rungs:
        try:
            bundle = load_comparable(rung.candidate, question.view, question.bounds, store)
            table = forecast_table(bundle, clean, rows, question.bounds)
        except NightcastError as problem:
            problems.append(problem)
            continue
        if not np.isfinite(table[["y_hat", *quantile_columns(table)]]).all(axis=None):
            problems.append(NightcastError(f"{rung.candidate.label} gave a forecast that is not finite"))
            continue
        reason = "; ".join([*filter(None, [rung.degraded_reason]), *map(str, problems)])
        return rung.model_copy(update={"degraded_reason": reason or None}), table
    raise problems[0]


@step
def forecast(
    clean: Artifact, windows: Artifact, stand: ForecastOptions, night: RunContext, question: ForecastSetup, store: Store
) -> ForecastResult:
    """Forecast the horizon of every living series and publish it. Raises NoChampion where nobody can."""
    frame = store.get(clean)
    rows = window_cutoffs(frame, load_window_index(windows, store), "forecast")
    scores = store.get(stand.evaluated.scores) if stand.evaluated else pd.DataFrame()
    rungs = fallback_order(stand, scores, question.evaluation.metric)
    if not rungs:
        raise NoChampion(night.pipeline, "no night has crowned one yet")
    rung, table = first_usable_forecast(rungs, frame, rows, question, store)
    model = rung.candidate
    table["model_name"], table["model_version"] = model.name, model.version
    table["run_id"] = night.run_id
    table["source"] = "champion" if model.role == "champion" else model.name
    table["degraded_reason"] = pd.Series([rung.degraded_reason] * len(table), dtype="str")
    table = table.sort_values(["unique_id", "ds"], ignore_index=True)
    forecasts.audit_forecasts(table, question.view.horizon)
    stored = store.put(table, "forecasts")
    return ForecastResult(
        table=stored,
        published=vintages.publish(stored, night.pipeline, night.as_of, store),
        rung=rung,
        last=table["ds"].max(),
        series=len(rows),
        left_out=tuple(sorted(set(frame["unique_id"]) - set(rows["unique_id"]))),
    )
