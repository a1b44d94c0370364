"""Test whether data, forecasts and errors differ from the seasons before, and store Evidently's report of the data.

   reference: whole seasons               current: the newest season
├───────┼───────┼─────────── … ───────┼───────┤ cutoff
each series by its own spread, hour by hour of its season; an alarm needs two of three nights; seasons that had drifted
are left out of the reference until a champion was trained on them
"""

import contextlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, StoreDamaged
from models.bundle import BundleDamaged
from models.data.panel import Panel
from models.drift.cusum import MAX_NIGHTS
from models.drift.detection import NIGHTS, DriftWindows, compare_nights
from tasks.engine.machine_memory import release_unused_memory
from tasks.engine.step import CacheInputs, step
from tasks.history.published import newest_published
from tasks.modeling.candidate import trained_until
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.series import sample_table
from tasks.monitoring import errors, forecasts
from tasks.monitoring.columns import drift_table, newest_values
from tasks.monitoring.composition import compare_static_columns
from tasks.monitoring.episodes import continue_episodes, mark_episodes, read_episodes, select_episodes
from tasks.monitoring.settings import DriftSpec, drift_windows
from tasks.report import evidently_report
from tasks.report.drift_page import finish_page, store_shared
from tasks.results.drift import DriftSources
from tasks.results.steps import DriftEpisode, DriftResult
from tasks.storage.layout import report_dir
from tasks.storage.series_rows import open_series_files
from tasks.storage.store import Store


class EarlierDrift(NamedTuple):
    """What earlier nights left: published errors of forecasts, and the periods in which columns had drifted."""

    errors: list[Artifact]
    episodes: tuple[DriftEpisode, ...]


def load_earlier(sources: DriftSources, setup: ForecastSetup, spec: DriftSpec, store: Store) -> CacheInputs:
    """List errors and episodes of earlier nights: digests and episodes are in the cache key."""
    context = sources.context
    published = newest_published("anomalies", context.pipeline, context.as_of, MAX_NIGHTS + NIGHTS, store)
    published += filter(None, [sources.new_errors])
    episodes = read_episodes(sources.past, context, store)
    known = {"errors": [artifact.digest for artifact in published], "episodes": episodes}
    key = {"sources": sources, "setup": setup, "spec": spec} | known
    return CacheInputs(key, EarlierDrift(published, episodes))


@step(cache_key=load_earlier)
def watch_drift(
    sources: DriftSources, setup: ForecastSetup, spec: DriftSpec, store: Store, read: EarlierDrift | None = None
) -> DriftResult:
    """Compare the newest season with the seasons before it, and store drift.html and drift.json with the morning page.

    Of many series, the sample that the evaluation scores is compared.

    Args:
        sources: The clean table and its cutoff, the newest forecasts, the errors of earlier ones, and the run.
        setup: The inputs of the models, whose columns are tested, and the name of the target in the source.
        spec: The level and the lengths of the parts.
        store: The store that holds the tables and takes the reports.
        read: What `load_earlier` has loaded; None loads it.

    Returns:
        The stored table and reports, the share of drifted columns, and whether it raises the alarm.

    Raises:
        NightcastError: If no column has values in both parts.
    """
    view, moment, context = setup.view, pd.Timestamp(sources.cutoff), sources.context
    earlier: EarlierDrift = read or load_earlier(sources, setup, spec, store).loaded
    clean = load_clean_table(sources.clean, store)
    sampled = sample_table(clean, setup.evaluation.max_series)
    release_unused_memory()
    names = list(sampled.ids)
    length = sampled.steps_until(moment)
    windows = drift_windows(view, spec, length)
    spare = windows.reference if earlier.episodes else 0
    steps = min(length, windows.reference + windows.current + (NIGHTS - 1) * windows.block + spare)
    values, times = newest_values(sampled, moment, view, steps)
    trained = _champion_trained_until(sources, store)
    episodes = select_episodes(earlier.episodes, times, windows, trained)
    nights = compare_nights(values, windows, mark_episodes(episodes, times))
    columns = drift_table(nights, names, spec.level)
    marks, record, page = _describe(sampled.frame(), moment, setup, spec, windows)
    columns = columns.merge(marks, on="column", how="right")
    known, reported = 0 if trained is None else int(times.searchsorted(trained)), np.isfinite(values["y"])
    statics = compare_static_columns(sampled, view.features.static, reported, windows, spec.level, known)
    others = [*statics, *_watch_model(Panel.from_table(sampled, view), earlier.errors, sources, spec.level, store)]
    watched = pd.concat(others, ignore_index=True).assign(marked=False) if others else pd.DataFrame()
    table = pd.concat([columns, watched], ignore_index=True) if len(watched) else columns
    share = float(columns["drifted"].mean())
    record["nightcast"] = {"level": spec.level, "columns": json.loads(table.to_json(orient="records"))}
    page, shared = finish_page(page, context.pipeline, f"as of {context.as_of:%Y-%m-%d %H:%M} UTC")
    folder = report_dir(context.pipeline, context.run_id)
    of_sample = f" in a sample of {len(names):,} series" if len(sampled.ids) < len(clean.ids) else ""
    of_columns = bool(columns["drifted"].any()) and share >= spec.share
    return DriftResult(
        table=store.put(table, "drift"),
        page=store.put_at(evidently_report.number_widgets(page).encode(), "page", f"{folder}/drift.html"),
        record=store.put_at(json.dumps(record, indent=1, sort_keys=True).encode(), "record", f"{folder}/drift.json"),
        scripts=store_shared(shared, store),
        episodes=continue_episodes(episodes, columns.loc[columns["drifted"], "column"], times, windows),
        share=share,
        drifted=of_columns or bool(table["drifted"][len(columns) :].any()),
        summary=_summarise(columns, watched, setup.target, of_sample, spec),
    )


def _champion_trained_until(sources: DriftSources, store: Store) -> pd.Timestamp | None:
    if sources.champion:
        with contextlib.suppress(StoreDamaged, BundleDamaged):
            return trained_until(sources.champion, store)
    return None


def _watch_model(
    panel: Panel, published: list[Artifact], sources: DriftSources, level: float, store: Store
) -> list[pd.DataFrame]:
    """Return a row for the newest forecasts and one for the errors of earlier ones; none where nights are too few."""
    tables = list[pd.DataFrame]()
    for table in sources.forecasts:
        with contextlib.suppress(StoreDamaged), open_series_files([table], store) as (file,):
            tables.append(file.select(panel.ids, ["unique_id", "cutoff", "step", "y_hat"]).to_pandas())
    arranged = errors.arrange_errors(errors.sum_errors(published, panel.ids, store))
    levels = forecasts.forecast_levels(tables, panel)
    taken = {"y", *panel.view.features.observed, *panel.view.features.known_columns, *panel.view.features.static}
    rows = []
    for name, nights, series, test in (
        (forecasts.COLUMN, forecasts.compare_forecast_nights(levels), list(panel.ids), forecasts.TEST),
        (errors.COLUMN, errors.compare_error_nights(arranged), arranged.series, errors.TEST),
    ):
        if nights:
            label = f"{name} (of the model)" if name in taken else name
            rows.append(drift_table(nights, series, level).assign(column=label, test=test))
    return rows


def _describe(
    sampled: pd.DataFrame, cutoff: pd.Timestamp, setup: ForecastSetup, spec: DriftSpec, windows: DriftWindows
) -> tuple[pd.DataFrame, dict[str, Any], str]:
    """Return Evidently's table, record and page; raise NightcastError if no column has values in both parts."""
    history = evidently_report.scale_by_series(sampled, cutoff, setup.view)
    lengths = windows.current, windows.reference
    current, reference = evidently_report.split_windows(history, *lengths)
    usable = [name for name in current.columns if current[name].notna().any() and reference[name].notna().any()]
    if not usable:
        raise NightcastError(
            f"the history is too short to watch for drift: none of {len(current.columns)} columns has values in both "
            f"windows ({len(current)} current rows, {len(reference)} reference rows). Shorten drift.current and "
            "drift.reference, or wait until there is more history."
        )
    thresholds = evidently_report.drift_thresholds(history, *lengths)
    target = setup.target if setup.target and setup.target not in usable else "y"
    share = max(spec.share, 1e-9)  # Evidently needs a positive share
    return evidently_report.report_drift(current[usable], reference[usable], thresholds, share, target)


def _summarise(columns: pd.DataFrame, watched: pd.DataFrame, target: str, of_sample: str, spec: DriftSpec) -> str:
    """Name the drifted columns with their most significant series, the level, and what else drifted."""
    drifted = columns[columns["drifted"]]
    shown = [_name(row, target) for row in drifted.to_dict("records")]
    named = f" ({'; '.join(shown)})" if shown else ""
    alarm = f"; the alarm is at {spec.share:.0%}" if spec.share else ""
    others = [_name(row, "") for row in watched.to_dict("records") if row["drifted"]]
    more = f"; drifted: {'; '.join(others)}" if others else ""
    counts = f"{len(drifted)} of {len(columns)} columns drifted{of_sample}{named}"
    return f"{counts}, at a level of {spec.level:.2g}{alarm}{more}"


def _name(row: Mapping[str, Any], target: str) -> str:
    column = target if row["column"] == "y" and target else row["column"]
    return f"{column}, most in {row['series']}" if row["series"] is not None else str(column)
