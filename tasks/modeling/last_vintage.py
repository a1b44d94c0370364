"""The newest published forecast as the last resort: moved on by whole seasons, or as a lower bound of the width.

newest vintage   c0 │ 1 2 3 4 5 6        season of 4 steps, cutoff 3 steps later
tonight                   c1 │ 1 2 3 4 5 6
moved on                       4 5 6 3 4 5        the newest step of the vintage at the same place of the season
seasons                        0 0 0 1 1 1        intervals are sqrt(1 + seasons) times as wide
"""

import numpy as np
import pandas as pd

from models.data.panel import InputSpec
from models.data.time_steps import build_grid
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.scores import quantile_columns, quantile_name

LAST_VINTAGE = "last_vintage"  # in the column `source`
MODEL = ["model_name", "model_version"]


def move_on(vintage: pd.DataFrame, rows: pd.DataFrame, view: InputSpec, bounds: OutputSpec) -> pd.DataFrame:
    """Forecast series from the newest vintage in which they have a forecast.

    The spread of a forecast that repeats a season grows with the root of the number of seasons: Hyndman and
    Athanasopoulos, Forecasting: Principles and Practice, 5.5.

    Args:
        vintage: A published forecast table with the quantiles of `bounds`.
        rows: (unique_id, cutoff) of each forecast that is needed, cutoff in UTC.
        view: Frequency, horizon and season.
        bounds: The quantiles, and the smallest and largest value that a forecast may have.

    Returns:
        unique_id, ds, cutoff, step, y_hat, quantiles, model_name and model_version: `horizon` rows for each series of
        the vintage. None for a series that is not in it, or whose forecast is not finite or has other quantiles.
    """
    levels = [quantile_name(level) for level in bounds.quantiles]
    columns = ["y_hat", *levels]
    if list(quantile_columns(vintage)) != levels:
        return pd.DataFrame(columns=["unique_id", "ds", "cutoff", "step", *columns, *MODEL])
    tables = []
    known = {str(name): part for name, part in vintage.groupby("unique_id", sort=False)}
    for name, cutoff in zip(rows["unique_id"], rows["cutoff"], strict=True):
        old = known.get(str(name))
        if old is not None and np.isfinite(old[columns].to_numpy()).all():
            tables.append(_move_series(old, pd.Timestamp(cutoff), view, columns))
    if not tables:
        return pd.DataFrame(columns=["unique_id", "ds", "cutoff", "step", *columns, *MODEL])
    moved = pd.concat(tables, ignore_index=True)
    moved[columns] = moved[columns].clip(bounds.minimum, bounds.maximum)
    return moved


def _move_series(old: pd.DataFrame, cutoff: pd.Timestamp, view: InputSpec, columns: list[str]) -> pd.DataFrame:
    horizon, before = view.horizon, pd.Timestamp(old["cutoff"].iloc[0])
    grid = build_grid(pd.DatetimeIndex([before, cutoff]), view.freq, horizon)
    passed = int(grid.get_loc(cutoff) - grid.get_loc(before))
    steps = old.set_index("step")[columns].reindex(range(1, horizon + 1)).ffill().bfill()  # closed steps have no row
    season = view.season if view.season <= horizon else 1
    wanted = passed + np.arange(1, horizon + 1)
    seasons = np.maximum(0, -((horizon - wanted) // season))
    values = steps.to_numpy()[np.maximum(wanted - season * seasons, 1) - 1]
    values = values[:, :1] + np.sqrt(1 + seasons)[:, None] * (values - values[:, :1])
    table = pd.DataFrame(
        {
            "unique_id": old["unique_id"].iloc[0],
            "ds": grid[grid.get_loc(cutoff) + 1 :][:horizon],
            "cutoff": cutoff,
            "step": np.arange(1, horizon + 1, dtype=np.int16),
        }
    )
    table[columns] = values
    return table.assign(**{name: old[name].iloc[0] for name in MODEL})


def widen(table: pd.DataFrame, vintage: pd.DataFrame, bounds: OutputSpec) -> pd.DataFrame:
    """Widen intervals that are narrower than those of the champion in the newest vintage, at the same series and step.

    Args:
        table: A forecast table with unique_id, step, y_hat and quantiles.
        vintage: A published forecast table; only its rows of the champion count.
        bounds: The smallest and largest value that a forecast may have.

    Returns:
        The table; medians do not change.
    """
    names = list(quantile_columns(table))
    champion = vintage[vintage["source"] == "champion"] if "source" in vintage else vintage.iloc[:0]
    if table.empty or champion.empty or not set(names) <= set(champion.columns):
        return table
    keys = ["unique_id", "step"]
    served = table[keys].merge(champion[[*keys, "y_hat", *names]], "left", keys)
    table = table.copy()
    for name, level in zip(names, bounds.quantiles, strict=True):
        side = np.sign(level - 0.5)
        width = (side * (served[name] - served["y_hat"])).fillna(0.0).to_numpy()
        own = (side * (table[name] - table["y_hat"])).to_numpy()
        if side:
            wider = table["y_hat"] + side * np.maximum(own, width)
            table[name] = table[name].where(own >= width, wider.clip(bounds.minimum, bounds.maximum))
    return table
