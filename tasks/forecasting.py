"""Step 7: forecast with the first usable model of the fallback order, audit the table, and publish it.

champion ── beaten tonight ──> the best baseline      champion ── damaged ──> a former champion ──> baselines

Every row names its model (`source`) and, if that is not the champion, the reason (`degraded_reason`).
"""

import math

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, NoChampion
from models.data.time_steps import default_stamps, period_ends
from tasks.engine.step import step
from tasks.modeling import forecasts
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import forecast_table, load_comparable
from tasks.modeling.scores import quantile_columns
from tasks.modeling.training_data import load_window_index, window_cutoffs
from tasks.results.steps import Fallback, ForecastOptions, ForecastResult, RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage import vintages
from tasks.storage.store import Store


def fallback_order(options: ForecastOptions, scores: pd.DataFrame, metric: str) -> list[Fallback]:
    """Order the models that may forecast, first choice first.

    The order is: the best baseline if it beats the champion tonight, the champion, former champions (latest first),
    baselines (lowest loss first).

    Args:
        options: The champion, former champions and this night's evaluation.
        scores: The scores table, a row per model; not read if `options` has no evaluation.
        metric: The column of `scores` to compare by.

    Returns:
        The models, each with its reason unless it is the champion.
    """
    champion, losses, baselines = options.champion, {}, []
    if options.evaluated is not None:
        losses = dict(zip(scores["bundle"], scores[metric], strict=True))
        fitted = [model for model in options.evaluated.candidates if model.role == "baseline"]
        baselines = sorted(fitted, key=lambda model: _inf_if_not_finite(losses[model.bundle.digest]))
    fallbacks = [Fallback(candidate=champion)] if champion else []
    if champion and baselines:
        best, champion_loss = baselines[0], losses.get(champion.bundle.digest, -math.inf)
        best_loss = _inf_if_not_finite(losses[best.bundle.digest])
        if math.isfinite(best_loss) and not champion_loss <= best_loss:
            reason = (
                f"{best.label} has the lower {metric} tonight: {best_loss:.4g} against {champion_loss:.4g} of "
                f"{champion.label}"
            )
            fallbacks.insert(0, Fallback(candidate=best, degraded_reason=reason))
    reason = options.no_champion or "no model has beaten every baseline yet"
    reason = "the champion can't forecast" if champion else reason
    return fallbacks + [Fallback(candidate=model, degraded_reason=reason) for model in (*options.formers, *baselines)]


def _inf_if_not_finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def first_usable_forecast(
    fallbacks: list[Fallback], clean: pd.DataFrame, rows: pd.DataFrame, setup: ForecastSetup, store: Store
) -> tuple[Fallback, pd.DataFrame]:
    """Forecast with the first model that gives a complete, finite table.

    Args:
        fallbacks: The models in the order of `fallback_order`, at least one.
        clean: The clean table.
        rows: (unique_id, cutoff) of every window to forecast.
        setup: Inputs and outputs that the model must share.
        store: The store that holds the bundles.

    Returns:
        The model that was used, its reason extended by the errors of the models before it, and the forecast table.

    Raises:
        NightcastError: The error of the first model, if no model can forecast.
    """
    errors: list[NightcastError] = []
    for fallback in fallbacks:
        try:
            bundle = load_comparable(fallback.candidate, setup.view, setup.bounds, store)
            table = forecast_table(bundle, clean, rows, setup.bounds)
        except NightcastError as error:
            errors.append(error)
            continue
        if not np.isfinite(table[["y_hat", *quantile_columns(table)]]).all(axis=None):
            errors.append(NightcastError(f"{fallback.candidate.label} gave a forecast that is not finite"))
            continue
        reason = "; ".join([*filter(None, [fallback.degraded_reason]), *map(str, errors)])
        return fallback.model_copy(update={"degraded_reason": reason or None}), table
    raise errors[0]


@step
def forecast(
    clean: Artifact,
    windows: Artifact,
    options: ForecastOptions,
    context: RunContext,
    setup: ForecastSetup,
    store: Store,
) -> ForecastResult:
    """Forecast the open steps of the horizon of every series that has not ended, audit the table and publish it.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        options: The models that may forecast.
        context: Pipeline, run id and as-of, which name the vintage.
        setup: Inputs and outputs of the forecast, and the metric that orders the fallbacks.
        store: The store that holds the bundles and takes the table.

    Returns:
        The stored table, the published file, and the model that was used.

    Raises:
        NoChampion: If there is neither a champion, nor a former one, nor a baseline.
        NightcastError: The error of the first model, if no model can forecast.
        ContractBroken: If the table does not pass the audit. Nothing is published then.
    """
    frame, freq = store.get(clean), setup.view.freq
    rows = window_cutoffs(frame, load_window_index(windows, store), "forecast")
    scores = store.get(options.evaluated.scores) if options.evaluated else pd.DataFrame()
    fallbacks = fallback_order(options, scores, setup.evaluation.metric)
    if not fallbacks:
        raise NoChampion(context.pipeline, "no night has promoted a model yet")
    fallback, table = first_usable_forecast(fallbacks, frame, rows, setup, store)
    model = fallback.candidate
    table["model_name"], table["model_version"] = model.name, model.version
    table["run_id"] = context.run_id
    table["source"] = "champion" if model.role == "champion" else model.name
    table["degraded_reason"] = pd.Series([fallback.degraded_reason] * len(table), dtype="str")
    table = add_id_columns(table.sort_values(["unique_id", "ds"], ignore_index=True), frame, setup.id_columns)
    forecasts.audit_forecasts(table, setup.view.horizon)
    last = table["ds"].max()
    table = forecasts.drop_closed_steps(table, frame, setup)
    stored = store.put(table, "forecasts")
    return ForecastResult(
        table=stored,
        published=vintages.publish(stored, context.pipeline, context.as_of, store),
        rung=fallback,
        last=last,
        over=period_ends(pd.Series([last]), freq, default_stamps(freq)).iloc[0],
        series=len(rows),
        left_out=tuple(sorted(set(frame["unique_id"]) - set(rows["unique_id"]))),
    )
