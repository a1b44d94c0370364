"""Forecast with the first usable model of the fallback order, audit the table, and publish it.

champion ── significantly worse ──> a baseline
champion ── damaged or not finite ──> a former champion ──> baselines ──> the newest vintage, moved on

Every row names its model (`source`) and, if that is not the champion, the reason (`degraded_reason`).
"""

import logging
import math
from collections.abc import Iterator

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NoChampion
from models.data.panel_table import PanelTable
from models.data.time_steps import default_stamps, period_ends
from tasks.engine.step import step
from tasks.modeling import forecasts
from tasks.modeling.baselines import store_baselines
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.fallbacks import MODEL_ERRORS, ServedForecast, WindowsToForecast, serve_forecasts
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.last_vintage import LAST_VINTAGE, move_on, widen
from tasks.modeling.series import SeriesFallback
from tasks.modeling.sharded_prediction import make_restorer
from tasks.modeling.training_data import load_training_part, load_window_index, window_cutoffs
from tasks.results.steps import Fallback, ForecastOptions, ForecastResult, RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage import vintages
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

NO_CHAMPION_FORECAST = "the champion can't forecast"
NO_COVARIATES = "its known covariates end before the horizon does"
MOVED_ON = -1  # in place of the number of a model


def fallback_order(options: ForecastOptions, scores: pd.DataFrame, metric: str) -> list[Fallback]:
    """Order the models that may forecast, first choice first.

    The order is: a baseline that is significantly better than the champion, the champion, former champions (latest
    first), baselines (lowest loss first).

    Args:
        options: The champion, former champions and this night's evaluation.
        scores: The scores table, a row per model; not read if `options` has no evaluation.
        metric: The column of `scores` to compare by.

    Returns:
        The models, each with its reason unless it is the champion.
    """
    champion, losses, baselines = options.champion, {}, []
    if options.evaluated is not None:
        scored = dict(zip(scores["bundle"], scores[metric], strict=True))
        losses = {digest: loss if math.isfinite(loss) else math.inf for digest, loss in scored.items()}
        fitted = options.evaluated.with_role("baseline")
        baselines = sorted(fitted, key=lambda model: losses[model.bundle.digest])
    fallbacks = [options.fallback] if options.fallback and champion else []
    fallbacks += [Fallback(candidate=champion)] if champion else []
    reason = options.no_champion or "no model has beaten every baseline yet"
    reason = NO_CHAMPION_FORECAST if champion else reason
    return fallbacks + [Fallback(candidate=model, degraded_reason=reason) for model in (*options.formers, *baselines)]


def _models(
    fallbacks: list[Fallback], reason: str, clean: Artifact, windows: Artifact, setup: ForecastSetup, store: Store
) -> Iterator[Candidate]:
    """Yield the models of the fallback order; then baselines, fitted only if needed and if the run did not fit any."""
    yield from (fallback.candidate for fallback in fallbacks)
    if not any(fallback.candidate.role == "baseline" for fallback in fallbacks):
        try:
            baselines = store_baselines(*load_training_part(clean, windows, setup.view, store), setup, store)
        except MODEL_ERRORS as error:
            log.warning("! no baseline can be fitted: %s", error)
            return
        baselines.sort(key=lambda model: (model.name != "linear", not model.name.startswith("seasonal")))
        fallbacks += [Fallback(candidate=model, degraded_reason=reason) for model in baselines]
        yield from baselines


def _distrusted(
    options: ForecastOptions, clean: PanelTable, rows: pd.DataFrame, uncovered: pd.Series, setup: ForecastSetup
) -> dict[str, str]:
    """Return the series without covariates, or with a rejected extreme value in their lookback or later, and why."""
    cutoffs = dict(zip(rows["unique_id"], rows["cutoff"], strict=True))
    reasons = dict.fromkeys(uncovered, NO_COVARIATES)
    for extreme in options.extreme:
        if extreme.series not in cutoffs:
            continue
        times = clean.select([extreme.series]).times
        past = times[times <= cutoffs[extreme.series]]
        if len(past) and extreme.ds >= past[-setup.view.lookback :][0]:
            reasons[extreme.series] = extreme.sentence
    return reasons


def _windows_to_forecast(
    clean: PanelTable, windows: Artifact, options: ForecastOptions, setup: ForecastSetup, store: Store
) -> WindowsToForecast:
    """Return the window of every series that has not ended, and why some need a baseline without inputs."""
    rows = window_cutoffs(clean, load_window_index(windows, store), "forecast")
    uncovered = forecasts.rows_without_covariates(clean, rows, setup.view)
    rows = pd.concat([rows, uncovered], ignore_index=True) if len(uncovered) else rows
    return WindowsToForecast(rows, _distrusted(options, clean, rows, uncovered["unique_id"], setup))


def _name_source(fallback: Fallback) -> str:
    """Return what the column `source` says of a model: champion, former_champion, or the name of the baseline."""
    if fallback.candidate.role != "champion":
        return fallback.candidate.name
    return "former_champion" if fallback.degraded_reason else "champion"


def _main_model(served: ServedForecast, fallbacks: list[Fallback]) -> Fallback:
    """Return the model that forecast first, with the errors of those before it; without any rows, raise the first."""
    if served.table.empty or not fallbacks:
        raise served.errors[0]
    first = fallbacks[served.main]
    reason = "; ".join([*filter(None, [first.degraded_reason]), *map(str, served.errors)])
    return first.model_copy(update={"degraded_reason": reason or None})


def _label_rows(served: ServedForecast, fallbacks: list[Fallback], main: Fallback, context: RunContext) -> pd.DataFrame:
    """Add as-of, model, run, source and the reason of a fallback to every row."""
    table, number = served.table.drop(columns="number"), served.table["number"]
    models = {key: fallbacks[key].candidate for key in number.unique() if key != MOVED_ON}
    as_of = pd.Series(pd.Timestamp(context.as_of).as_unit("us"), index=table.index)
    table.insert(table.columns.get_loc("cutoff"), "as_of", as_of)
    facts = {"model_name": {key: model.name for key, model in models.items()}}
    facts["model_version"] = {key: model.version for key, model in models.items()}
    for column, of in facts.items():  # those of the vintage, if moved on
        table[column] = number.map(of).astype("str").fillna(table.get(column, ""))
    table["run_id"] = context.run_id
    table["source"] = number.map({key: _name_source(fallbacks[key]) for key in models} | {MOVED_ON: LAST_VINTAGE})
    reasons = {name: part.reason for part in served.fallbacks for name in part.series}
    table["degraded_reason"] = pd.Series(main.degraded_reason, index=table.index, dtype="str")
    if reasons:
        table["degraded_reason"] = table["unique_id"].map(reasons).astype("str").fillna(table["degraded_reason"])
    return table


def _published_parts(
    served: ServedForecast,
    fallbacks: list[Fallback],
    main: Fallback,
    context: RunContext,
    clean: PanelTable,
    setup: ForecastSetup,
) -> Iterator[pd.DataFrame]:
    """Label and audit the rows of a few series at a time, and yield those at open steps."""
    closed = forecasts.closed_times_at(served.table["cutoff"].max(), clean, setup)
    for part in forecasts.iterate_series_parts(served.table):
        table = _label_rows(served._replace(table=part), fallbacks, main, context)
        table = add_id_columns(table, clean.labels, setup.id_columns)
        forecasts.audit_forecasts(table, setup.view.horizon)
        yield forecasts.drop_closed_steps(table, closed)


def _complete(
    served: ServedForecast, rows: pd.DataFrame, options: ForecastOptions, setup: ForecastSetup, store: Store
) -> ServedForecast:
    """Use the newest vintage: moved on for series that no model can forecast, and as the least width of fallbacks.

    A baseline that is significantly better than the champion is calibrated on its own errors, and keeps its width.

    Returns:
        The forecasts, with rows of number MOVED_ON for series that were missing.
    """
    is_fallback = (served.table["number"] > 0) & (options.champion is not None)
    if options.newest is None or not (served.missing or is_fallback.any()):
        return served
    vintage = store.get(options.newest.file)
    widened = widen(served.table[is_fallback], vintage, setup.bounds)
    missing = rows[rows["unique_id"].isin(served.missing)]
    moved = move_on(vintage, missing, setup.view, setup.bounds)
    parts = [part for part in (served.table[~is_fallback], widened, moved.assign(number=MOVED_ON)) if len(part)]
    if not parts:
        return served
    names = tuple(sorted(moved["unique_id"].unique()))
    why = "; ".join(map(str, served.errors)) if served.table.empty else "no model gives it a finite forecast"
    reason = f"{why}; the forecast as of {options.newest.as_of:%Y-%m-%d %H:%M} UTC is moved on"
    part = (SeriesFallback(candidate=None, reason=reason, series=names),) if names else ()
    return served._replace(
        table=pd.concat(parts, ignore_index=True),
        fallbacks=(*served.fallbacks, *part),
        missing=tuple(name for name in served.missing if name not in names),
    )


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
    table, freq = load_clean_table(clean, store), setup.view.freq
    asked = _windows_to_forecast(table, windows, options, setup, store)
    scores = store.get(options.evaluated.scores) if options.evaluated else pd.DataFrame()
    fallbacks = fallback_order(options, scores, setup.evaluation.metric)
    if not fallbacks and not options.no_champion:
        raise NoChampion(context.pipeline, "no night has promoted a model yet")
    reason = NO_CHAMPION_FORECAST if options.champion else options.no_champion or ""
    models = _models(fallbacks, reason, clean, windows, setup, store)
    served = serve_forecasts(models, table, asked, make_restorer(clean, table.times, store), setup, store)
    served = _complete(served, asked.rows, options, setup, store)
    main = _main_model(served, fallbacks)
    parts, last = _published_parts(served, fallbacks, main, context, table, setup), served.table["ds"].max()
    earlier = vintages.published_at(context.pipeline, context.as_of, store) if served.is_damaged else None
    stored = earlier or store.put_parts(parts, "forecasts")  # a damaged champion does not change a published vintage
    published = earlier or vintages.publish(stored, context.pipeline, context.as_of, store)
    vintages.publish_latest_history(clean, context.pipeline, context.as_of, store)
    return ForecastResult(
        table=stored,
        published=published,
        rung=main,
        last=last,
        over=period_ends(pd.Series([last]), freq, default_stamps(freq)).iloc[0],
        series=len(asked.rows) - len(served.missing),
        left_out=tuple(table.ids.difference(pd.Index(asked.rows["unique_id"]))),
        fallbacks=served.fallbacks,
        not_finite=served.missing,
        share_changes=served.share_changes,
        recalibration=store.put_bytes(served.recalibration_json, "recalibration", "json"),
        kept=earlier is not None,
    )
