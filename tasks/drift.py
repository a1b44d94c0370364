"""Test whether the newest season differs from the seasons before it, and store Evidently's report of both.

   reference: whole seasons               current: the newest season
├───────┼───────┼─────────── … ───────┼───────┤ cutoff
each series by its own spread, hour by hour of its season; an alarm needs two of three nights
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import SettingsSpec
from models.data.calendar import seasons
from models.data.panel import InputSpec, Panel
from models.data.windows import MAX_PART_STEPS
from models.drift.detection import MIN_CYCLES, NIGHTS, ColumnDrift, DriftWindows, compare_nights, has_alarm
from tasks.engine.step import step
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.series import sample_series
from tasks.report import evidently_report
from tasks.report.drift_page import finish_page, store_shared
from tasks.results.steps import DriftResult, RunContext
from tasks.storage.layout import report_dir
from tasks.storage.store import Store


class DriftSpec(SettingsSpec):
    """Settings of the drift test: its level, the share of columns that raises the alarm, and the lengths of both parts.

    `level` bounds the rate of nights on which a stationary panel shows drift, over all columns and series.
    """

    level: float = Field(0.01, gt=0, lt=1)
    share: float = Field(
        0.0, ge=0, le=1, description="share of drifted columns that raises the alarm; at least one does"
    )
    current: PositiveInt | None = Field(
        None, le=MAX_PART_STEPS, description="newest steps; by default the longest season"
    )
    reference: PositiveInt | None = Field(
        None, le=MAX_PART_STEPS, description="steps before those; by default eight times as many"
    )


def drift_windows(view: InputSpec, spec: DriftSpec, steps: int) -> DriftWindows:
    """Return the lengths of the parts, of a block and of the season, in steps.

    Args:
        view: Frequency and horizon, from which the default lengths follow.
        spec: Lengths that the pipeline sets.
        steps: Length of the history. If it is shorter than both parts, the current part is its newest fifth.

    Returns:
        The lengths. The season is the longest of the frequency that the reference holds MIN_CYCLES times.
    """
    lengths = seasons(view.freq)
    current = spec.current or max(lengths[-1], view.horizon)
    reference = spec.reference or 8 * current
    if current + reference > steps:
        current = max(1, steps // 5)
        reference = max(1, steps - current)
    block = min(lengths[0] if len(lengths) > 1 else 1, current)
    fitting = [length for length in lengths if length * MIN_CYCLES <= reference and length >= block]
    return DriftWindows(reference, current, block, fitting[-1] if fitting else block)


def newest_values(clean: pd.DataFrame, cutoff: pd.Timestamp, view: InputSpec, steps: int) -> dict[str, np.ndarray]:
    """Return the newest values of the target and of the numeric covariates.

    Args:
        clean: The clean table.
        cutoff: The last observation that is known, in UTC.
        view: The inputs of the models, whose columns are read.
        steps: Number of steps up to the cutoff.

    Returns:
        Values by column, each (series, steps), NaN where nothing is known.
    """
    panel = Panel.from_frame(clean, view)
    series = np.arange(len(panel.ids))
    position = panel.grid.get_loc(cutoff) - panel.first
    offsets = np.arange(1 - steps, 1)
    tables = {"y": panel.y}
    tables |= {name: panel.observed[:, column] for column, name in enumerate(view.features.observed)}
    tables |= {name: panel.known[:, column] for column, name in enumerate(view.features.known_columns)}
    return {name: panel.take(values, series, position, offsets) for name, values in tables.items()}


def drift_table(nights: list[dict[str, ColumnDrift]], names: list[str], level: float) -> pd.DataFrame:
    """Return a row per column, the most significant first.

    Args:
        nights: Comparisons of `compare_nights`, the newest first.
        names: Names of the series.
        level: Level of the test.

    Returns:
        column, p_value, nights (below the level, of NIGHTS), series (the most significant), series_p_value, drifted.
    """
    alarms = has_alarm(nights, level)
    rows = []
    for column, drift in nights[0].items():
        worst = int(drift.series.argmin()) if len(drift.series) else -1
        is_named = worst >= 0 and drift.series[worst] < 1
        rows.append(
            {
                "column": column,
                "p_value": drift.p_value,
                "nights": sum(night[column].p_value < level for night in nights),
                "series": names[worst] if is_named else None,
                "series_p_value": float(drift.series[worst]) if is_named else 1.0,
                "drifted": alarms[column],
            }
        )
    return pd.DataFrame(rows).sort_values(["drifted", "p_value"], ascending=[False, True], ignore_index=True)


@step
def watch_drift(
    clean: Artifact, cutoff: datetime, setup: ForecastSetup, spec: DriftSpec, context: RunContext, store: Store
) -> DriftResult:
    """Compare the newest season with the seasons before it, and store drift.html and drift.json with the morning page.

    Of many series, the sample that the evaluation scores is compared.

    Args:
        clean: The clean table.
        cutoff: The last observation that is known, in UTC.
        setup: The inputs of the models, whose columns are tested, and the name of the target in the source.
        spec: The level and the lengths of the parts.
        context: Pipeline and run id, which name the folder of the reports.
        store: The store that holds the table and takes the reports.

    Returns:
        The stored table and reports, the share of drifted columns, and whether it raises the alarm.

    Raises:
        NightcastError: If no column has values in both parts.
    """
    view, moment, frame = setup.view, pd.Timestamp(cutoff), store.get(clean)
    sampled = sample_series(frame, setup.evaluation.max_series)
    names = sorted(map(str, sampled["unique_id"].unique()))
    length = int((pd.Index(sampled["ds"].unique()) <= moment).sum())
    windows = drift_windows(view, spec, length)
    steps = min(length, windows.reference + windows.current + (NIGHTS - 1) * windows.block)
    table = drift_table(compare_nights(newest_values(sampled, moment, view, steps), windows), names, spec.level)
    marks, record, page = _describe(sampled, moment, setup, spec, windows)
    table = table.merge(marks, on="column", how="right")
    share = float(table["drifted"].mean())
    record["nightcast"] = {"level": spec.level, "columns": json.loads(table.to_json(orient="records"))}
    page, shared = finish_page(page, context.pipeline, f"as of {context.as_of:%Y-%m-%d %H:%M} UTC")
    folder = report_dir(context.pipeline, context.run_id)
    of_sample = f" in a sample of {len(names):,} series" if len(sampled) < len(frame) else ""
    return DriftResult(
        table=store.put(table, "drift"),
        page=store.put_at(evidently_report.number_widgets(page).encode(), "page", f"{folder}/drift.html"),
        record=store.put_at(json.dumps(record, indent=1, sort_keys=True).encode(), "record", f"{folder}/drift.json"),
        scripts=store_shared(shared, store),
        share=share,
        drifted=bool(table["drifted"].any()) and share >= spec.share,
        summary=_summarise(table, setup.target, of_sample, spec),
    )


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


def _summarise(table: pd.DataFrame, target: str, of_sample: str, spec: DriftSpec) -> str:
    """Name the drifted columns with their most significant series, and the level."""
    drifted = table[table["drifted"]]
    shown = [_name(row, target) for row in drifted.to_dict("records")]
    named = f" ({'; '.join(shown)})" if shown else ""
    alarm = f"; the alarm is at {spec.share:.0%}" if spec.share else ""
    return f"{len(drifted)} of {len(table)} columns drifted{of_sample}{named}, at a level of {spec.level:.2g}{alarm}"


def _name(row: Mapping[str, Any], target: str) -> str:
    column = target if row["column"] == "y" and target else row["column"]
    return f"{column}, most in {row['series']}" if row["series"] is not None else str(column)
