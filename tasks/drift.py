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

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.calendar import seasons
from models.panel import View
from tasks._step import step
from tasks._store import Store
from tasks.registration import Night


class DriftSpec(Spec):
    """`share` of drifted columns from which on the night counts as drifted; lengths in steps."""

    share: float = Field(0.3, gt=0, le=1)
    current: PositiveInt | None = Field(None, description="newest steps; by default the longest season")
    reference: PositiveInt | None = Field(None, description="steps before those; by default eight times as many")


class Drifted(Spec):
    """What was watched, what drifted, and the two reports."""

    table: Artifact
    page: Artifact
    record: Artifact
    share: float
    drifted: bool
    summary: str

    @property
    def sentence(self) -> str:
        return self.summary


def parts(clean: pd.DataFrame, cutoff: pd.Timestamp, view: View, spec: DriftSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(current, reference) rows of the numeric columns; y is relative to its series' mean in the reference.

    A panel shorter than both parts gives its newest fifth and the rest.
    """
    history = clean[clean["ds"] <= cutoff]
    steps = np.sort(history["ds"].unique())
    current = spec.current or max(seasons(view.freq)[-1], view.horizon)
    reference = spec.reference or 8 * current
    if current + reference > len(steps):
        current, reference = max(1, len(steps) // 5), len(steps) - max(1, len(steps) // 5)
    newest = history[history["ds"] > steps[-current - 1]] if current < len(steps) else history.iloc[:0]
    earlier = history[
        (history["ds"] > steps[max(-current - reference, -len(steps))]) & ~history.index.isin(newest.index)
    ]
    level = earlier.groupby("unique_id")["y"].mean().abs()
    level = level.where(level > 0)
    names = ["y", *view.features.observed, *view.features.known_columns]
    told = [part.assign(y=part["y"] / part["unique_id"].map(level))[names] for part in (newest, earlier)]
    usable = [name for name in names if all(part[name].notna().any() for part in told)]
    return told[0][usable], told[1][usable]


def judged(current: pd.DataFrame, reference: pd.DataFrame, share: float) -> tuple[pd.DataFrame, dict[str, Any], str]:
    """(one row a column, Evidently's record, Evidently's page). Whether a score is drift is Evidently's test status."""
    from evidently import DataDefinition, Dataset, Report  # takes seconds, and a cached night never needs it
    from evidently.presets import DataDriftPreset

    logging.getLogger("evidently").setLevel(logging.ERROR)
    safe = {name: html.escape(name) for name in current.columns}  # Evidently writes names raw into its page
    definition = DataDefinition(numerical_columns=list(safe.values()))
    now, before = (Dataset.from_pandas(part.rename(columns=safe), definition) for part in (current, reference))
    snapshot = Report([DataDriftPreset(drift_share=share)], include_tests=True).run(now, before)
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
def watch_drift(clean: Artifact, cutoff: datetime, view: View, spec: DriftSpec, night: Night, store: Store) -> Drifted:
    """Compare the newest season with the ones before, and leave drift.html and drift.json beside the morning page."""
    current, reference = parts(store.get(clean), pd.Timestamp(cutoff), view, spec)
    table, record, page = judged(current, reference, spec.share)
    share = float(table["drifted"].mean())
    folder = f"reports/pipeline={night.pipeline}/{night.run_id}"
    names = table.loc[table["drifted"], "column"]
    told = (
        f"{len(names)} of {len(table)} columns drifted ({', '.join(names) or 'none'}); the alarm is at {spec.share:.0%}"
    )
    return Drifted(
        table=store.put(table, "drift"),
        page=store.place(page.encode(), "page", f"{folder}/drift.html"),
        record=store.place(json.dumps(record, indent=1, sort_keys=True).encode(), "record", f"{folder}/drift.json"),
        share=share,
        drifted=share >= spec.share,
        summary=told,
    )
