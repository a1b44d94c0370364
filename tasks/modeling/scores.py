"""Scores of forecast tables, in source units.

A table has the columns unique_id, y, y_hat, scale and quantile columns named q05, q10, … `scale` is the divisor of
MASE: the mean seasonal naive error of the series before the rows that are scored.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from models import metrics
from models.data.panel_table import PanelTable
from tasks.storage.store import Store

MIN_SCALE = 1e-12  # of the largest value of a series; less is rounding error, which would drown the other series


def quantile_columns(frame: pd.DataFrame) -> dict[str, float]:
    """Map the quantile columns of a forecast table to their levels, in rising order: q05 is 0.05, q975 is 0.975."""
    return quantile_levels(frame.columns)


def quantile_levels(names: Iterable[str]) -> dict[str, float]:
    """Map those of `names` that are quantile columns to their levels, in rising order."""
    levels = {name: float(f"0.{name[1:]}") for name in names if re.fullmatch(r"q\d{2,}", name)}
    return dict(sorted(levels.items(), key=lambda entry: entry[1]))


def quantile_name(level: float) -> str:
    """Name the column of a quantile level: 0.05 is q05, 0.5 is q50, 0.975 is q975."""
    digits = f"{level:.6f}".split(".")[1].rstrip("0")
    return f"q{digits.ljust(2, '0')}"


def mase_scales_before(clean: PanelTable, moment: pd.Timestamp, season: int) -> pd.Series:
    """Compute the divisor of MASE of each series: the mean of |y_t - y_{t-season}| before `moment`.

    Args:
        clean: The clean table.
        moment: Rows at or after it (UTC) are not used.
        season: Season length in steps.

    Returns:
        The divisor by series, in source units; NaN if a series never changed or is shorter than a season. Source:
        Hyndman and Koehler 2006.
    """
    return seasonal_changes(clean, clean.steps_until(moment, inclusive=False), season)["absolute"]


def seasonal_changes(clean: PanelTable, end: int, season: int) -> pd.DataFrame:
    """Compute the mean change of each series from one season to the next.

    Args:
        clean: The clean table.
        end: Rows of the steps before it, an index in the times of the table, are used.
        season: Season length in steps.

    Returns:
        `absolute`, the mean of |y_t - y_{t-season}|, and `squared`, that of its square, indexed by unique_id. Both are
        NaN if a series never changed by more than rounding errors, or if no such pair is observed.
    """
    parts = []
    for part in clean.partitions():
        y, ends = part.numbers["y"], np.clip(end - part.first, 0, part.lengths)
        change = np.full(len(y) + 1, np.nan)
        change[season:-1] = y[season:] - y[:-season] if len(y) > season else []
        slices = part.starts + np.minimum(season, ends), part.starts + ends
        largest = _reduce(np.fmax, np.abs(np.append(y, np.nan)), part.starts, slices[1])
        known = np.isfinite(change)
        count = _reduce(np.add, known.astype(float), *slices)
        count = np.where(count > 0, count, np.nan)
        change = np.where(known, np.abs(change), 0.0)
        absolute = _reduce(np.add, change, *slices) / count
        squared = _reduce(np.add, change**2, *slices) / count
        has_changed = absolute > MIN_SCALE * np.nan_to_num(largest)
        means = {"absolute": absolute, "squared": squared}
        parts.append(pd.DataFrame({name: np.where(has_changed, values, np.nan) for name, values in means.items()}))
    table = pd.concat(parts) if parts else pd.DataFrame({"absolute": [], "squared": []}, dtype=float)
    return table.set_axis(pd.Index(clean.ids, name="unique_id"))


def _reduce(operation: np.ufunc, values: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Reduce the values from each start to the value before its end; NaN where there are none. No end is the last."""
    result, filled = np.full(len(starts), np.nan), np.flatnonzero(ends > starts)
    if len(filled):
        pairs = np.column_stack([starts[filled], ends[filled]]).reshape(-1)
        result[filled] = operation.reduceat(values, pairs)[::2]
    return result


def score_forecasts(frame: pd.DataFrame) -> dict[str, float]:
    """Score the rows of one model.

    Args:
        frame: A table as the module describes it. Rows without an actual (y) do not count.

    Returns:
        mase (mean over series of the mean scaled error), wql, mae, rmse, smape, and the coverage of the interval from
        the lowest to the highest quantile. A score is NaN if it is undefined or a forecast is not finite.
    """
    rows = frame.dropna(subset=["y"])
    y, y_hat = rows["y"].to_numpy(), rows["y_hat"].to_numpy()
    levels = quantile_columns(rows)
    quantiles = rows[list(levels)].to_numpy()
    scaled = ((rows["y"] - rows["y_hat"]).abs() / rows["scale"])[rows["scale"].notna()]
    outer = quantiles[:, [0, -1]] if len(levels) > 1 else np.full((len(rows), 2), np.nan)
    return {
        "mase": float(scaled.groupby(rows["unique_id"]).mean().mean()) if scaled.notna().all() else float("nan"),
        "wql": metrics.wql(y, quantiles, np.array(list(levels.values()))),
        "mae": metrics.mae(y, y_hat),
        "rmse": metrics.rmse(y, y_hat),
        "smape": metrics.smape(y, y_hat),
        "coverage": metrics.coverage(y, outer[:, 0], outer[:, 1]),
    }


def score_series(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Score each group of rows: the scores of `score_forecasts` that a few rows of one series have, for all at once.

    Args:
        frame: A table as the module describes it, with the columns of `key`; y is known in every row.
        key: The columns that tell the groups apart.

    Returns:
        A row per group, sorted by key: the key, rows, mase, wql, mae and coverage; NaN as in `score_forecasts`.
    """
    y, error = frame["y"].to_numpy(), (frame["y"] - frame["y_hat"]).abs().to_numpy()
    levels = quantile_columns(frame)
    pinballs = [2 * metrics.pinball(y, frame[name].to_numpy(), level) for name, level in levels.items()]
    inside = np.full(len(frame), np.nan)
    if len(levels) > 1:
        lower, upper = (frame[name].to_numpy() for name in (next(iter(levels)), next(reversed(levels))))
        inside = np.where(np.isnan(lower + upper), np.nan, (y >= lower) & (y <= upper))
    measured = frame[key].assign(
        rows=1, mase=error / frame["scale"].to_numpy(), wql=np.mean(pinballs, axis=0) if pinballs else np.nan,
        mae=error, coverage=inside, total=np.abs(y),
    )  # fmt: skip
    groups = measured.groupby(key)
    scores = groups.agg(rows=("rows", "sum"), mase=("mase", "mean"), wql=("wql", "sum"), mae=("mae", "mean"),
                        coverage=("coverage", "mean"), total=("total", "sum"))  # fmt: skip
    scores["wql"] = scores["wql"] / scores.pop("total").replace(0.0, np.nan)
    errors = ["mase", "wql", "mae"]
    known = groups[errors].count()
    scores[errors] = scores[errors].where(known.eq(scores["rows"], axis=0))  # a forecast that is not finite
    return scores.reset_index()


def losses_by_origin(models: Iterable[tuple[str, pd.DataFrame]], metric: str) -> pd.DataFrame:
    """Split the score of each model over the origins; a promotion is decided on these pairs of losses.

    The loss of an origin is its share of the model's score times the number of origins, so that the mean over the
    origins is the score.

    Args:
        models: Label and backtest of each model, as `read_models` yields them.
        metric: mase, wql or mae.

    Returns:
        Losses, (origins, models), indexed by cutoff with a column per model. NaN if a forecast is not finite, and for
        a model that has no loss at all.
    """
    losses = {label: _losses_of(table, metric) for label, table in models}
    return pd.DataFrame(losses, columns=sorted(losses)).rename_axis(index="cutoff", columns="model_name")


def read_models(backtest: Artifact, store: Store) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read a stored backtest model by model, whose rows follow each other, so that one model at a time is held.

    Args:
        backtest: The artifact.
        store: The store that holds it.

    Yields:
        The label of a model, and its rows.
    """
    label, parts = "", list[pd.DataFrame]()
    for group in store.row_groups(backtest):
        for name, part in _split_by_model(group.to_pandas(split_blocks=True, self_destruct=True)):
            if name != label and parts:
                yield label, _join_parts(parts)
            label = name
            parts.append(part)
    if parts:
        yield label, _join_parts(parts)


def _split_by_model(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each model; those of a single model, as row groups are written, are not copied."""
    names = table["model_name"].unique()
    if len(names) == 1:
        yield str(names[0]), table
        return
    for name, part in table.groupby("model_name", sort=False):
        yield str(name), part


def _join_parts(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all parts, renumbered, and empty the list."""
    joined = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0].reset_index(drop=True)
    parts.clear()
    return joined


def _losses_of(table: pd.DataFrame, metric: str) -> pd.Series:
    """Return the loss of one model at each origin; NaN if a forecast of the origin is not finite."""
    return losses_of_groups(table, metric, pd.Series(0, index=table.index)).droplevel(0)


def losses_of_groups(table: pd.DataFrame, metric: str, groups: pd.Series) -> pd.Series:
    """Split the score of one model in each group of rows over the origins, as `losses_by_origin` does it for all rows.

    Args:
        table: Rows of one model of a backtest.
        metric: mase, wql or mae.
        groups: The group of each row, with the index of `table`; all rows of a series are in one group.

    Returns:
        Losses, indexed by group and cutoff; NaN if a forecast is not finite. A group in which no row defines the metric
        is absent.
    """
    is_scored = table[["y", "scale"] if metric == "mase" else ["y"]].notna().all(axis=1)
    rows, group = table[is_scored], groups[is_scored]
    error = (rows["y"] - rows["y_hat"]).abs()
    if metric == "mase":
        series_rows = rows.groupby("unique_id")["y"].transform("size")
        loss = error / rows["scale"] / series_rows / rows["unique_id"].groupby(group).transform("nunique")
    elif metric == "wql":
        levels = quantile_columns(rows)
        losses = [metrics.pinball(rows["y"].to_numpy(), rows[name].to_numpy(), at) for name, at in levels.items()]
        size = rows["y"].abs().groupby(group).transform("sum")
        loss = pd.Series(2 * np.mean(losses, axis=0), index=rows.index) / size
    else:
        loss = error / group.groupby(group).transform("size")
    origins = rows["cutoff"].groupby(group).transform("nunique")
    by_origin = (loss * origins).groupby([group, rows["cutoff"]])
    return by_origin.sum().mask(by_origin.count() < by_origin.size())
