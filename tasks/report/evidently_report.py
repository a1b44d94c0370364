"""The report of Evidently: the newest season compared with the seasons before it. It does not decide about drift.

   reference: whole seasons               current: the newest season
├───────┼───────┼─────────── … ───────┼───────┤ cutoff       so that a Monday is compared with Mondays
"""

import html
import json
import logging
import re
from typing import Any

import numpy as np
import pandas as pd

from models.data.panel import InputSpec

MIN_THRESHOLD = 0.1  # standard deviations; Evidently's default
MAX_EARLIER_WINDOWS = 6
MIN_SPREAD = 1e-12  # of the largest value of a series; less is rounding error


def scale_by_series(clean: pd.DataFrame, cutoff: pd.Timestamp, view: InputSpec) -> pd.DataFrame:
    """Select the numeric columns up to the cutoff, so that series of different size are comparable.

    Args:
        clean: The clean table.
        cutoff: The last observation that is known, in UTC.
        view: The inputs of the models; only their columns are selected.

    Returns:
        A row per series and time, indexed by age in steps (0 is the newest). Each column has the mean of its series
        subtracted and is divided by the standard deviation of its series: a mean near zero magnifies nothing. A
        constant is 0.
    """
    history = clean[clean["ds"] <= cutoff]
    columns = ["y", *view.features.observed, *view.features.known_columns]
    values, series = history[columns].astype("float64"), history["unique_id"]
    largest = values.abs().groupby(series).transform("max")
    unit = values / largest.where(largest > 0, 1.0)  # the square of a very large or small value is not finite
    mean, spread = (unit.groupby(series).transform(name) for name in ("mean", "std"))
    scaled = (unit - mean) / spread.where(spread > MIN_SPREAD)
    scaled = scaled.mask(values.notna() & ~(spread > MIN_SPREAD), 0.0)
    return scaled.set_axis(history["ds"].rank(method="dense", ascending=False).astype(int) - 1)


def split_windows(
    history: pd.DataFrame, current: int, reference: int, back: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split the history into the current and the reference window.

    If the history is shorter than both windows together, the current window is its newest fifth.

    Args:
        history: Rows indexed by age in steps, as `scale_by_series` returns them.
        current: Length of the current window, in steps.
        reference: Length of the reference window, in steps.
        back: Number of current windows by which both windows are moved into the past.

    Returns:
        The current and the reference rows. Both may be short or empty if `back` is above 0.
    """
    steps = int(history.index.max()) + 1
    if current + reference > steps and back == 0:
        current, reference = max(1, steps // 5), steps - max(1, steps // 5)
    start = back * current
    age = history.index
    newest = (age >= start) & (age < start + current)
    earlier = (age >= start + current) & (age < start + current + reference)
    return history[newest], history[earlier]


def wasserstein_in_deviations(current: pd.Series, reference: pd.Series) -> float:
    """Compute the Wasserstein distance in standard deviations of the reference, as Evidently does.

    Returns:
        The distance; NaN if a part has no values.
    """
    from scipy import stats  # takes a second, and a cached night does not need it

    now, before = current.dropna().to_numpy(), reference.dropna().to_numpy()
    if not len(now) or not len(before):
        return float("nan")
    return float(stats.wasserstein_distance(now, before) / max(before.std(), 0.001))


def drift_thresholds(history: pd.DataFrame, current: int, reference: int) -> dict[str, float]:
    """Compute the distance from which Evidently marks a column as drifted.

    It is the largest distance of the same comparison in earlier seasons, at least MIN_THRESHOLD. A fixed threshold
    would raise the alarm every night for columns such as weather, which change from week to week.

    Returns:
        Thresholds in standard deviations, by column.
    """
    thresholds = {}
    earlier = [split_windows(history, current, reference, back) for back in range(1, MAX_EARLIER_WINDOWS + 1)]
    for name in history.columns:
        distances = [
            wasserstein_in_deviations(now[name], before[name]) for now, before in earlier if len(before) >= len(now) > 0
        ]
        thresholds[name] = max([MIN_THRESHOLD, *(distance for distance in distances if np.isfinite(distance))])
    return thresholds


def report_drift(
    current: pd.DataFrame, reference: pd.DataFrame, thresholds: dict[str, float], share: float, target: str = "y"
) -> tuple[pd.DataFrame, dict[str, Any], str]:
    """Describe each column with Evidently, and mark those that differ by more than a threshold.

    Args:
        current: The newest rows, a column per feature.
        reference: The rows to compare with, with the same columns.
        thresholds: Distance from which a column counts as drifted, by column.
        share: Share of drifted columns that raises the alarm.
        target: What Evidently's page and record call the column y: its name in the source.

    Returns:
        A table with a row per column (column, test, statistic, threshold, marked), Evidently's record, and its HTML
        page. `marked` is Evidently's test status.
    """
    from evidently import DataDefinition, Dataset, Report  # takes seconds, and a cached night never needs it
    from evidently.presets import DataDriftPreset

    logging.getLogger("evidently").setLevel(logging.ERROR)
    names = {name: target if name == "y" and target not in current.columns else name for name in current.columns}
    safe = {name: html.escape(shown) for name, shown in names.items()}  # Evidently writes names raw into its page
    columns = {shown: name for name, shown in safe.items()}
    definition = DataDefinition(numerical_columns=list(safe.values()))
    now, before = (Dataset.from_pandas(part.rename(columns=safe), definition) for part in (current, reference))
    preset = DataDriftPreset(
        drift_share=share,
        num_method="wasserstein",
        per_column_threshold={safe[name]: thresholds[name] for name in current.columns},
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # Evidently correlates constant columns as well
        snapshot = Report([preset], include_tests=True).run(now, before)
    record = json.loads(snapshot.json())
    status = {test["metric_config"]["metric_id"]: test["status"] for test in record["tests"]}
    rows = [
        {
            "column": columns[metric["config"]["column"]],
            "test": metric["config"]["method"],
            "statistic": float(metric["value"]),
            "threshold": float(metric["config"]["threshold"]),
            "marked": status[metric["id"]] == "FAIL",
        }
        for metric in record["metrics"]
        if "column" in metric["config"]
    ]
    return pd.DataFrame(rows), record, snapshot.get_html_str(as_iframe=False)


def number_widgets(page: str) -> str:
    """Replace Evidently's random widget names by numbers, so that the same night gives the same bytes."""
    numbers: dict[str, str] = {}
    random_name = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")
    return random_name.sub(lambda match: numbers.setdefault(match[0], f"{len(numbers):032x}"), page)
