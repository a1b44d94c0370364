"""Step 9 · clean → drift report: the newest season against the same part of earlier ones, judged by Evidently.

   reference: whole seasons               current: the newest one
├───────┼───────┼─────────── … ───────┼───────┤ cutoff       so that a Monday is compared with Mondays
"""

import html
import json
import logging
import re
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt
from scipy import stats

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.data.calendar import seasons
from models.data.panel import InputSpec
from tasks.engine.step import step
from tasks.results.steps import DriftResult, RunContext
from tasks.storage.layout import report_dir
from tasks.storage.store import Store

MIN_THRESHOLD = 0.1  # deviations; the threshold that Evidently has by itself
SEASONS_BEFORE = 6


class DriftSpec(Spec):
    """`share` of drifted columns from which on the night counts as drifted; lengths in steps."""

    share: float = Field(0.3, gt=0, le=1)
    current: PositiveInt | None = Field(None, description="newest steps; by default the longest season")
    reference: PositiveInt | None = Field(None, description="steps before those; by default eight times as many")


def scale_by_series(clean: pd.DataFrame, cutoff: pd.Timestamp, view: InputSpec) -> pd.DataFrame:
    """The numeric columns of each row up to the cutoff, indexed by age in steps; y as a share of its series' mean."""
    history = clean[clean["ds"] <= cutoff]
    level = history.groupby("unique_id")["y"].mean().abs()
    level = level.where(level > 0)
    names = ["y", *view.features.observed, *view.features.known_columns]
    told = history.assign(y=history["y"] / history["unique_id"].map(level))[names]
    return told.set_axis(history["ds"].rank(method="dense", ascending=False).astype(int) - 1)


def split_windows(
    history: pd.DataFrame, view: InputSpec, spec: DriftSpec, back: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(current, reference) rows as they would have been chosen `back` currents ago; both may be short or empty.

    A panel shorter than both parts gives its newest fifth and the rest.
    """
    steps = int(history.index.max()) + 1
    current = spec.current or max(seasons(view.freq)[-1], view.horizon)
    reference = spec.reference or 8 * current
    if current + reference > steps and back == 0:
        current, reference = max(1, steps // 5), steps - max(1, steps // 5)
    start = back * current
    age = history.index
    newest = (age >= start) & (age < start + current)
    earlier = (age >= start + current) & (age < start + current + reference)
    return history[newest], history[earlier]


def wasserstein_in_deviations(current: pd.Series, reference: pd.Series) -> float:
    """Wasserstein distance in deviations of the reference, as Evidently computes it; NaN where a part is empty."""
    now, before = current.dropna().to_numpy(), reference.dropna().to_numpy()
    if not len(now) or not len(before):
        return float("nan")
    return float(stats.wasserstein_distance(now, before) / max(before.std(), 0.001))


def thresholds(history: pd.DataFrame, view: InputSpec, spec: DriftSpec) -> dict[str, float]:
    """How far each column must move to count: farther than in any of the seasons before, and at least LEAST.

    Weather changes from week to week; a fixed bound would cry every night, and nobody would read it any more.
    """
    found = {}
    earlier = [split_windows(history, view, spec, back) for back in range(1, SEASONS_BEFORE + 1)]
    for name in history.columns:
        usual = [
            wasserstein_in_deviations(now[name], before[name]) for now, before in earlier if len(before) >= len(now) > 0
        ]
        found[name] = max([MIN_THRESHOLD, *(distance for distance in usual if np.isfinite(distance))])
    return found


def detect_drift(
    current: pd.DataFrame, reference: pd.DataFrame, bounds: dict[str, float], share: float
) -> tuple[pd.DataFrame, dict[str, Any], str]:
    """(one row a column, Evidently's record, Evidently's page). Whether a score is drift is Evidently's test status."""
    from evidently import DataDefinition, Dataset, Report  # takes seconds, and a cached night never needs it
    from evidently.presets import DataDriftPreset

    logging.getLogger("evidently").setLevel(logging.ERROR)
    safe = {name: html.escape(name) for name in current.columns}  # Evidently writes names raw into its page
    definition = DataDefinition(numerical_columns=list(safe.values()))
    now, before = (Dataset.from_pandas(part.rename(columns=safe), definition) for part in (current, reference))
    preset = DataDriftPreset(
        drift_share=share,
        num_method="wasserstein",
        per_column_threshold={safe[name]: bounds[name] for name in current.columns},
    )
    snapshot = Report([preset], include_tests=True).run(now, before)
    record = json.loads(snapshot.json())
    status = {test["metric_config"]["metric_id"]: test["status"] for test in record["tests"]}
    rows = [
        {
            "column": html.unescape(metric["config"]["column"]),
            "test": metric["config"]["method"],
            "statistic": float(metric["value"]),
            "threshold": float(metric["config"]["threshold"]),
            "drifted": status[metric["id"]] == "FAIL",
        }
        for metric in record["metrics"]
        if "column" in metric["config"]
    ]
    return pd.DataFrame(rows), record, _same_names(snapshot.get_html_str(as_iframe=False))


def _same_names(page: str) -> str:
    """Evidently names its widgets at random; number them instead, so that the same night gives the same bytes."""
    numbers: dict[str, str] = {}
    random = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")
    return random.sub(lambda found: numbers.setdefault(found[0], f"{len(numbers):032x}"), page)


@step
def watch_drift(
    clean: Artifact, cutoff: datetime, view: InputSpec, spec: DriftSpec, night: RunContext, store: Store
) -> DriftResult:
    """Compare the newest season with the ones before, and leave drift.html and drift.json beside the morning page."""
    history = scale_by_series(store.get(clean), pd.Timestamp(cutoff), view)
    current, reference = split_windows(history, view, spec)
    usable = [name for name in current.columns if current[name].notna().any() and reference[name].notna().any()]
    if not usable:
        raise NightcastError("the history is too short to watch for drift: no column has values in both parts.")
    bounds = thresholds(history, view, spec)
    table, record, page = detect_drift(current[usable], reference[usable], bounds, spec.share)
    share = float(table["drifted"].mean())
    folder = report_dir(night.pipeline, night.run_id)
    names = table.loc[table["drifted"], "column"]
    told = (
        f"{len(names)} of {len(table)} columns drifted ({', '.join(names) or 'none'}); the alarm is at {spec.share:.0%}"
    )
    return DriftResult(
        table=store.put(table, "drift"),
        page=store.put_at(page.encode(), "page", f"{folder}/drift.html"),
        record=store.put_at(json.dumps(record, indent=1, sort_keys=True).encode(), "record", f"{folder}/drift.json"),
        share=share,
        drifted=share >= spec.share,
        summary=told,
    )
