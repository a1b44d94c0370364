"""Split the revision of a forecast, tonight's median minus that of the night before for the same time, into causes.

                 values after the      values up to the
                 earlier cutoff        earlier cutoff       covariates      model
night before     unknown               as read then         as read then    of then
tonight          as read now           as read now          as read now     of now

The part of a cause is its Shapley value: the mean change of the forecast as the cause moves from then to now, over all
orders in which the causes can move (Shapley 1953; Lundberg and Lee 2017). The parts depend on no chosen order; they
add up to the revision. The shares of simple forecasts in the median, which each night fits to the errors of its model,
move with the values, or with the model if it is another.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.bundle import Bundle
from models.calibration.shares import weigh_differences
from models.data.panel import InputSpec, Panel
from models.predict import CalibratedForecast, Predictor
from models.recalibration import Recalibration
from tasks.modeling.forecast_setup import OutputSpec

CAUSES = ("new_actuals", "revised_history", "covariates", "model")
KEY = ["unique_id", "ds"]
MIN_SEASONS = 8  # of history that every model is given, besides its lookback


class ForecastInputs(NamedTuple):
    """What one night forecast from: its clean table, the last time that was known, its model and recalibration."""

    clean: pd.DataFrame
    cutoff: pd.Timestamp
    bundle: Bundle
    recalibration: tuple[Recalibration, tuple[str, ...]] | None = None
    """With the series that it belongs to; None: no share of a simple forecast was moved."""

    def move_medians(self, forecast: CalibratedForecast, names: Sequence[str]) -> np.ndarray:
        """Return the quantiles (n, H, Q) of series with the shares that this night moved."""
        if self.recalibration is None or forecast.differences is None:
            return forecast.quantiles
        changes = self.recalibration[0].of(names, self.recalibration[1]).share_changes
        return np.asarray(forecast.quantiles + weigh_differences(changes, forecast.differences)[..., None])


class _Tables(NamedTuple):
    """The rows of both nights that forecasts depend on, with the values of each."""

    before: pd.DataFrame
    after: pd.DataFrame
    earlier: tuple[np.ndarray, np.ndarray]  # (S, 2) each: range of the observations before these rows


def split_revision(
    before: ForecastInputs, after: ForecastInputs, rows: pd.DataFrame, bounds: OutputSpec
) -> pd.DataFrame:
    """Split the revision of each forecast that both nights made.

    Args:
        before: The inputs of the night before.
        after: The inputs of tonight; its cutoff is not earlier.
        rows: unique_id, ds (UTC), before and after: the published medians of both nights.
        bounds: The smallest and largest value that a forecast may have.

    Returns:
        The rows with a column per cause, in the units of the source. `model` also has what these four do not explain: a
        series that a fallback forecast in one of the nights.
    """
    names = sorted(rows["unique_id"].unique())
    tables = _cut(before, after, names)
    moved = _which_moved(before, after, tables)
    after = after if moved[CAUSES.index("model")] else after._replace(bundle=before.bundle)
    values: dict[tuple[bool, ...], np.ndarray] = {}
    for state in itertools.product(*((False, True) if has_moved else (False,) for has_moved in moved)):
        values[state] = _forecast(state, before, after, tables, rows, bounds)
    parts = {cause: np.zeros(len(rows)) for cause in CAUSES}
    causes = [number for number, has_moved in enumerate(moved) if has_moved]
    for state, value in values.items():
        for cause in causes:
            if not state[cause]:
                count = sum(state)
                share = math.factorial(count) * math.factorial(len(causes) - count - 1) / math.factorial(len(causes))
                then = tuple(moves or number == cause for number, moves in enumerate(state))
                parts[CAUSES[cause]] += share * (values[then] - value)
    parts["model"] += (rows["after"] - rows["before"]).to_numpy() - sum(parts.values())
    return rows.assign(**parts)


def _cut(before: ForecastInputs, after: ForecastInputs, names: list[str]) -> _Tables:
    """Return the rows of both clean tables on one grid, from the first that a forecast of the median depends on."""
    bundles = before.bundle, after.bundle
    steps = max(max(bundle.history, MIN_SEASONS * bundle.view.season) for bundle in bundles)
    times = pd.DatetimeIndex(after.clean["ds"].unique()).sort_values()
    first = times[max(0, times.searchsorted(before.cutoff) - steps)]
    kept, earlier = [], []
    for night in (before, after):
        table = night.clean[night.clean["unique_id"].isin(names)]
        old = table[table["ds"] < first].groupby("unique_id")["y"]
        earlier.append(pd.DataFrame({"low": old.min(), "high": old.max()}).reindex(names).to_numpy("float64"))
        kept.append(table[table["ds"] >= first].set_index(KEY))
    index = kept[0].index.union(kept[1].index).sort_values()
    statics = [name for name in after.bundle.view.features.static if name in after.clean]
    tables = []
    for table in kept:
        aligned = table.reindex(index).reset_index()
        if statics:
            aligned[statics] = aligned.groupby("unique_id")[statics].transform(lambda column: column.ffill().bfill())
        tables.append(aligned)
    return _Tables(tables[0], tables[1], (earlier[0], earlier[1]))


def _which_moved(before: ForecastInputs, after: ForecastInputs, tables: _Tables) -> tuple[bool, ...]:
    """Return for each cause whether anything of it differs; the states of the others need no forecast."""
    history = tables.after["ds"] <= before.cutoff
    is_revised = not tables.before.loc[history, "y"].equals(tables.after.loc[history, "y"])
    is_revised |= not np.array_equal(tables.earlier[0], tables.earlier[1], equal_nan=True)
    names = tuple(dict.fromkeys(_covariates(before.bundle.view) + _covariates(after.bundle.view)))
    then = _with_covariates_of_then(tables, before.cutoff, names)
    has_covariates = any(not then[name].equals(tables.after[name]) for name in names if name in tables.before)
    is_new_model = before.bundle.to_bytes() != after.bundle.to_bytes()
    return after.cutoff > before.cutoff, is_revised, has_covariates, is_new_model


def _covariates(view: InputSpec) -> tuple[str, ...]:
    return (*view.features.known_columns, *view.features.observed, *view.features.static)


def _with_covariates_of_then(tables: _Tables, cutoff: pd.Timestamp, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the table of tonight with the covariates of the night before; after its cutoff, where it had them."""
    ahead = tables.after["ds"] > cutoff
    then = {}
    for name in names:
        if name in tables.before:
            known = tables.before[name].notna() | ~ahead
            then[name] = tables.before[name].where(known, tables.after[name])
    return tables.after.assign(**then)


def _forecast(
    state: tuple[bool, ...],
    before: ForecastInputs,
    after: ForecastInputs,
    tables: _Tables,
    rows: pd.DataFrame,
    bounds: OutputSpec,
) -> np.ndarray:
    """Forecast the median of each row with the causes that have moved as of tonight, the others as of then, (n,)."""
    has_actuals, is_revised, has_covariates, is_new_model = state
    bundle = (after if is_new_model else before).bundle
    names = _covariates(bundle.view)
    frame = tables.after if has_covariates else _with_covariates_of_then(tables, before.cutoff, names)
    history = frame["ds"] <= before.cutoff
    newest = frame["y"].where(has_actuals & (frame["ds"] <= after.cutoff))
    frame = frame.assign(y=(tables.after if is_revised else tables.before)["y"].where(history, newest))
    panel = replace(Panel.from_frame(frame, bundle.view), earlier=tables.earlier[int(is_revised)])
    cutoff = panel.grid.get_loc(after.cutoff if has_actuals else before.cutoff)
    codes = np.arange(len(panel.ids), dtype=np.int32)
    predictor = Predictor(bundle)
    forecast = predictor.forecast(panel, codes, (cutoff - panel.first).astype(np.int32))
    has_new_errors = has_actuals or is_revised  # which the shares of the same model follow
    has_new_shares = has_new_errors if before.bundle is after.bundle else is_new_model
    quantiles = (after if has_new_shares else before).move_medians(forecast, panel.ids)
    median = predictor.restricted(quantiles, bounds.minimum, bounds.maximum)[:, :, bundle.levels.index(0.5)]
    series = rows["unique_id"].map({name: code for code, name in enumerate(panel.ids)}).to_numpy(np.int64)
    step = panel.grid.get_indexer(pd.DatetimeIndex(rows["ds"])) - cutoff - 1
    return np.asarray(median[series, step])
