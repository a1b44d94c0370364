"""Scores of groups of rows from their sums: overall, by series, segment, step, origin, hour, day of the week or month.

Errors in units of the source, and shares, are of all rows of a group together. Errors that are divided by a number of
the series are means over the series; a series without that number is left out of them, and counted.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.spec import Spec
from models import metrics
from models.data.panel_table import PanelTable
from tasks.modeling.calendar_groups import group_text
from tasks.modeling.loss_sums import LossSums, central_intervals
from tasks.modeling.scores import quantile_levels, seasonal_changes

Weights = Literal["equal", "volume"]
BY_SERIES = ("mase", "rmsse", "wql_series")  # means over the series
METRICS = ("mae", "rmse", "bias", "wape", "smape", "mase", "rmsse", "owa", "wql", "wql_series", "crps")


class ScoreSpec(Spec):
    """How scores are taken.

    `season` is that of the scales, in steps; `reference` the label of the model that OWA compares with; `weights` those
    of the series in means over series: equal, or the mean |y| of the scored rows.
    """

    season: int
    reference: str
    weights: Weights = "equal"


class SeriesScales(NamedTuple):
    """The divisors of each series, by unique_id: of MASE in units of y, of RMSSE in squared units; NaN if undefined."""

    mase: pd.Series
    rmsse: pd.Series

    @classmethod
    def before(cls, clean: PanelTable, moment: pd.Timestamp, season: int) -> "SeriesScales":
        """Compute the divisors from the history before the first scored row.

        Args:
            clean: The clean table.
            moment: Rows after it (UTC) are not used.
            season: Season length in steps.

        Returns:
            The divisors. A series that hardly changes, by rounding errors only, has none.
        """
        changes = seasonal_changes(clean, clean.steps_until(moment), season)
        return cls(changes["absolute"], changes["squared"])


def score_groups(sums: pd.DataFrame, key: str | None, scales: SeriesScales, weights: Weights) -> pd.DataFrame:
    """Score each group of sums.

    Args:
        sums: unique_id, the column `key` and the sums of `LossSums`, a row per series and group.
        key: The column of the groups; None for a single group.
        scales: The divisors of each series.
        weights: The weights of the series.

    Returns:
        A row per group: group (text), rows, series, the metrics except OWA, pinball_<quantile>, coverage_<percent>,
        winkler_<percent>, and left_out (series without an actual) and left_out_<metric> (all series that the metric
        leaves out). NaN if a forecast is not finite, or if no series defines the metric.
    """
    groups = pd.Series("", index=sums.index) if key is None else sums[key]
    names = [name for name in sums.columns if name not in ("unique_id", key)]
    total = sums[names].groupby(groups, sort=True).sum(skipna=False)
    rows, size = total["rows"].where(total["rows"] > 0), total["size"].where(total["size"] > 0)
    pinballs = total[[name for name in names if name.startswith("pinball_")]]
    scored = (sums["rows"] > 0).groupby(groups).sum()
    scores = pd.DataFrame({
        "group": [group_text(key or "", value) for value in total.index],
        "rows": total["rows"].astype("int64"), "series": scored.astype("int64"),
        "mae": total["absolute"] / rows, "rmse": np.sqrt(total["squared"] / rows), "bias": total["error"] / rows,
        "wape": total["absolute"] / size, "smape": total["percentage"] / rows,
        "wql": 2 * pinballs.mean(axis=1, skipna=False) / size, "crps": 2 * pinballs.mean(axis=1, skipna=False) / rows,
    }, index=total.index)  # fmt: skip
    scores["left_out"] = (groups.groupby(groups).size() - scored).astype("int64")
    for name, values in _scores_of_series(sums, scales).items():
        defined = values["defined"]
        weight = (sums["size"] / sums["rows"].clip(lower=1) if weights == "volume" else 1.0) * defined
        added = (values["score"].where(defined, 0.0) * weight).groupby(groups).sum(skipna=False)
        scores[name] = added / weight.groupby(groups).sum().replace(0.0, np.nan)
        scores[f"left_out_{name}"] = (~defined).groupby(groups).sum().astype("int64")
    for name in names:
        kind, _, suffix = name.partition("_")
        column = {"pinball": name, "inside": f"coverage_{suffix}", "winkler": name}.get(kind)
        if column:
            scores[column] = total[name] / rows
    return scores.reset_index(drop=True)


def _scores_of_series(sums: pd.DataFrame, scales: SeriesScales) -> dict[str, pd.DataFrame]:
    """Return, for each metric that is a mean over series, the score of each row of `sums` and whether it is defined."""
    rows = sums["rows"].where(sums["rows"] > 0)
    pinball = sums[[name for name in sums.columns if name.startswith("pinball_")]].mean(axis=1, skipna=False)
    divisors = {
        "mase": sums["unique_id"].map(scales.mase),
        "rmsse": sums["unique_id"].map(scales.rmsse),
        "wql_series": sums["size"].where(sums["size"] > 0),
    }
    values = {
        "mase": sums["absolute"] / rows / divisors["mase"],
        "rmsse": np.sqrt(sums["squared"] / rows / divisors["rmsse"]),
        "wql_series": 2 * pinball / divisors["wql_series"],
    }
    return {
        name: pd.DataFrame({"score": values[name], "defined": (divisors[name] > 0) & rows.notna()}) for name in values
    }


def score_models(
    models: dict[str, LossSums], segments: pd.DataFrame, scales: SeriesScales, spec: ScoreSpec
) -> pd.DataFrame:
    """Score every model overall, by segment, step, calendar group, origin, month of the origin, and series.

    Args:
        models: The sums of each model, by label.
        segments: The columns that group series, indexed by unique_id; no columns if the pipeline has none.
        scales: The divisors of each series.
        spec: Season, reference and weights.

    Returns:
        model_name, by (overall, `segment` and the name of a column, step, origin or series; of sums with calendar
        groups also hour, dayofweek and month), group, and the scores of `score_groups` with OWA against the reference.
    """
    tables = [
        score_groups(table, key, scales, spec.weights).assign(model_name=label, by=by)
        for label, sums in models.items()
        for by, table, key in _groups_of(sums, segments)
    ]
    return _with_owa(pd.concat(tables, ignore_index=True), spec.reference)


def _groups_of(sums: LossSums, segments: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, str | None]]:
    """Yield each way to group the forecasts of a model: its name, the sums, and the column of the groups."""
    of_series = sums.by_series
    yield "overall", of_series, None
    for column in segments.columns:
        values = of_series["unique_id"].map(segments[column]).astype(str)
        yield f"segment {column}", of_series.assign(segment=values), "segment"
    yield "step", sums.by("step"), "step"
    if sums.calendar:
        for name in sums.calendar.names:
            yield name, sums.by(name), name
    yield "origin", sums.by("origin"), "as_of"
    if sums.calendar:
        yield "month", sums.by_month, "month"
    yield "series", of_series.assign(series=of_series["unique_id"]), "series"


def _with_owa(scores: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Add OWA against the reference in the same group, and put the columns in order."""
    keys = ["by", "group"]
    errors = scores.loc[scores["model_name"] == reference, [*keys, "smape", "mase"]]
    joined = scores[keys].merge(errors, "left", keys, validate="many_to_one")
    scores["owa"] = metrics.owa(scores["smape"], scores["mase"], joined["smape"], joined["mase"])
    first = ["model_name", *keys, "rows", "series", *METRICS, "left_out", *(f"left_out_{name}" for name in BY_SERIES)]
    return scores[[*first, *(name for name in scores.columns if name not in first)]]


def interval_columns(columns: list[str]) -> tuple[str, ...]:
    """Return the names of the central intervals that scores with these columns have, the widest first: 90, 80."""
    levels = quantile_levels(name.removeprefix("pinball_") for name in columns if name.startswith("pinball_"))
    return tuple(interval.name for interval in central_intervals(levels))
