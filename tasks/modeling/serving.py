"""Forecast outside a night: a model gets a long table of history from a caller, and returns a forecast table.

The table is checked as the clean table of a night is: a fault is named with its column, series and row. For the clean
table of a night the numbers are those of the night.
"""

from numbers import Number

import numpy as np
import pandas as pd

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.closed_times import ClosedSetting
from models.data.panel import InputSpec, Panel
from models.data.panel_table import PARTITION_ROWS, PanelTable
from models.data.time_steps import build_grid
from models.data.windows import forecast_windows
from models.predict import Predictor
from models.recalibration import Recalibration
from models.rolling_origins import RollingOrigins
from tasks.modeling.finiteness import nonfinite_rows
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, OutputSpec
from tasks.modeling.forecasts import closed_times_at, drop_closed_steps, recalibrated_table

KEYS = ("unique_id", "ds", "y")
TIME_TYPE = pd.DatetimeTZDtype("us", "UTC")
MAX_LISTED = 5  # columns in a message
MAX_SHOWN_CHARACTERS = 60


class HistoryInvalid(NightcastError):
    """The history that a caller gives to a model cannot be used."""

    def __init__(self, fault: str, fix: str) -> None:
        super().__init__(f"the history cannot be used: {fault}. {fix}")


def forecast_history(
    bundle: Bundle,
    history: pd.DataFrame,
    bounds: OutputSpec,
    closed: ClosedSetting = "auto",
    predictor: Predictor | None = None,
    factors: tuple[Recalibration, tuple[str, ...]] | None = None,
) -> pd.DataFrame:
    """Forecast the horizon after the last observation of a history.

    Args:
        bundle: The model.
        history: A row per series and step: unique_id, ds (naive times are UTC), y and the covariates of the model.
            Covariates that are known in advance need rows with an empty y for the steps of the horizon.
        bounds: The smallest and largest value that a forecast may have.
        closed: The times at which no value exists, or `auto` to derive them from the history.
        predictor: The same model, restored already; None restores it.
        factors: The recalibration of a night, and the series that it belongs to; None fits it to the history.

    Returns:
        A row per series and step of the horizon: unique_id, ds (UTC), cutoff, step, y_hat (the median) and a column
        per quantile, in units of the history. Series that ended more than a lookback before are left out.

    Raises:
        HistoryInvalid: A column, a value or a row of the history is missing or wrong.
    """
    view = bundle.view
    clean = check_history(history, view)
    del history  # its names may be most of the memory
    observed = clean["y"].notna()
    if not observed.any():
        raise HistoryInvalid("column 'y' has no value", "Give at least one lookback of observations per series.")
    cutoff = clean.loc[observed, "ds"].max()
    clean = _fill_steps(clean, cutoff, view)
    _require_known(clean, cutoff, view)
    parts = (clean.iloc[start : start + PARTITION_ROWS] for start in range(0, len(clean), PARTITION_ROWS))
    history_table = PanelTable.from_parts(parts, len(clean))
    panel = Panel.from_table(history_table, view)
    del clean, parts
    series, _ = forecast_windows(panel, int(panel.grid.get_loc(cutoff)))
    if len(series) == 0:
        raise HistoryInvalid(
            f"no series has a value in the {view.lookback} steps up to {cutoff:%Y-%m-%d %H:%M} UTC",
            "Give at least one lookback of observations per series.",
        )
    rows = pd.DataFrame({"unique_id": np.array(panel.ids, dtype=object)[series].astype(str), "cutoff": cutoff})
    fitted = factors[0].of(rows["unique_id"].tolist(), factors[1]) if factors else None
    rolling = RollingOrigins(predictor or Predictor(bundle), panel)
    table, _ = recalibrated_table(rolling, rows, bounds, fitted)
    if (failed := nonfinite_rows(table)).any():
        name = table.loc[failed, "unique_id"].iloc[0]
        raise HistoryInvalid(f"the model gives no finite forecast for series {name!r}", "Check the values of y.")
    setup = ForecastSetup(view=view, bounds=bounds, evaluation=EvaluationSpec(), closed=closed)
    table = table.sort_values(["unique_id", "ds"], ignore_index=True)
    return drop_closed_steps(table, closed_times_at(cutoff, history_table, setup))


def check_history(history: pd.DataFrame, view: InputSpec) -> pd.DataFrame:
    """Check a history and convert it to the types of a clean table.

    Args:
        history: The table of a caller.
        view: The covariates and the frequency of the model.

    Returns:
        unique_id (a category), ds (UTC), y and the covariates, sorted by unique_id and ds, at steps of the frequency.

    Raises:
        HistoryInvalid: A column, a value or a row is missing or wrong.
    """
    features = view.features
    numeric = ("y", *features.known_columns, *features.observed)
    wanted = dict.fromkeys((*KEYS, *numeric, *features.static))
    if missing := [name for name in wanted if name not in history.columns]:
        listed = ", ".join(map(repr, missing[:MAX_LISTED]))
        raise HistoryInvalid(f"column {listed} is missing", f"The columns of this model are: {', '.join(wanted)}.")
    frame = history[list(wanted)].reset_index(drop=True)
    if (empty := frame["unique_id"].isna()).any():
        raise HistoryInvalid(f"row {int(empty.argmax())} has no unique_id", "Name the series of every row.")
    frame["unique_id"] = _to_category(frame["unique_id"])
    frame["ds"] = _parse_times(frame)
    for name in numeric:
        frame[name] = _parse_numbers(frame, name)
    for name in features.static:
        frame[name] = frame[name].astype("str")
    order = _order_on_grid(frame, view)
    return frame if order is None else frame.take(order).reset_index(drop=True)


def _to_category(names: pd.Series) -> pd.Series:
    """Return names as a category of the texts that occur, sorted."""
    if isinstance(names.dtype, pd.CategoricalDtype) and isinstance(names.cat.categories.dtype, pd.StringDtype):
        names = names.cat.remove_unused_categories()
        return names.cat.reorder_categories(names.cat.categories.sort_values(), ordered=False)
    return (names if isinstance(names.dtype, pd.StringDtype) else names.astype(str)).astype("category")


def _parse_times(frame: pd.DataFrame) -> pd.Series:
    column = frame["ds"]
    if column.dtype == TIME_TYPE and not column.hasnans:
        return column
    if pd.api.types.is_datetime64_any_dtype(column):
        times = pd.to_datetime(column, utc=True)
    else:  # numbers are refused: a JSON export of pandas writes milliseconds, and others write seconds
        is_text = column.map(lambda value: not isinstance(value, Number))
        times = pd.to_datetime(column.where(is_text), utc=True, errors="coerce", format="ISO8601")
    if (invalid := times.isna()).any():
        row = int(invalid.argmax())
        raise HistoryInvalid(
            f"ds of row {row} (series {frame['unique_id'].iloc[row]!r}) is {_show(frame['ds'].iloc[row])}, which is "
            "not a time",
            "Write ISO times such as 2024-03-01T05:00:00Z.",
        )
    return times.astype(TIME_TYPE)


def _parse_numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    if frame[column].dtype == "float64" and not np.isinf(frame[column].to_numpy()).any():
        return frame[column]
    numbers = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    invalid = numbers.isna() & frame[column].notna() | np.isinf(numbers)
    if invalid.any():
        row = int(invalid.argmax())
        raise HistoryInvalid(
            f"column {column!r} of row {row} (series {frame['unique_id'].iloc[row]!r}, {frame['ds'].iloc[row]}) is "
            f"{_show(frame[column].iloc[row])}, which is not a finite number",
            "Leave a missing value empty.",
        )
    return numbers


def _show(value: object) -> str:
    return repr(value)[:MAX_SHOWN_CHARACTERS] if isinstance(value, str) else str(value)[:MAX_SHOWN_CHARACTERS]


def _order_on_grid(frame: pd.DataFrame, view: InputSpec) -> np.ndarray | None:
    """Return the order of the rows by series and time, (n,); None if they have it.

    Raises:
        HistoryInvalid: A series has a time twice, or a time between two steps.
    """
    steps, distinct = pd.factorize(frame["ds"], sort=True)
    keys = frame["unique_id"].cat.codes.to_numpy().astype(np.int64) * len(distinct) + steps
    is_ordered = bool((np.diff(keys) > 0).all())
    if not is_ordered and (twice := pd.Series(keys).duplicated()).any():
        row = int(twice.argmax())
        raise HistoryInvalid(
            f"row {row} repeats series {frame['unique_id'].iloc[row]!r} at {frame['ds'].iloc[row]}",
            "Give one row per series and time.",
        )
    between = ~np.asarray(distinct.isin(build_grid(pd.DatetimeIndex(distinct), view.freq, 0)))
    if between.any():
        row = int(between[steps].argmax())
        raise HistoryInvalid(
            f"ds of row {row} (series {frame['unique_id'].iloc[row]!r}) is {frame['ds'].iloc[row]}, between two steps "
            f"of the frequency {view.freq!r}",
            "Aggregate the history to one row per step.",
        )
    return None if is_ordered else np.argsort(keys)


def _fill_steps(clean: pd.DataFrame, cutoff: pd.Timestamp, view: InputSpec) -> pd.DataFrame:
    """Add the steps that a series lacks between its first row and its last, or the cutoff, with an empty y."""
    grid = build_grid(pd.DatetimeIndex(clean["ds"].unique()).sort_values(), view.freq, 0)
    first = np.flatnonzero(np.diff(clean["unique_id"].cat.codes, prepend=-1))  # row of each series
    last = np.append(first[1:], len(clean)) - 1
    starts = grid.get_indexer(pd.DatetimeIndex(clean["ds"].iloc[first]))
    ends = np.maximum(grid.get_indexer(pd.DatetimeIndex(clean["ds"].iloc[last])), grid.get_loc(cutoff)) + 1
    if int((ends - starts).sum()) == len(clean):
        return clean
    steps = np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    index = pd.DataFrame({"unique_id": clean["unique_id"].iloc[first.repeat(ends - starts)].array, "ds": grid[steps]})
    filled = index.merge(clean, "left", ["unique_id", "ds"])
    statics = list(view.features.static)
    if statics:
        filled[statics] = filled.groupby("unique_id", observed=True)[statics].transform(
            lambda column: column.ffill().bfill()
        )
    return filled


def _require_known(clean: pd.DataFrame, cutoff: pd.Timestamp, view: InputSpec) -> None:
    """Raise HistoryInvalid if a covariate that is known in advance lacks a value over the horizon."""
    columns = list(view.features.known_columns)
    if not columns:
        return
    ahead = clean[clean["ds"] > cutoff].astype({"unique_id": "str"})
    observed = clean.loc[(clean["ds"] == cutoff) & clean["y"].notna(), "unique_id"]
    active = sorted({*observed, *ahead["unique_id"]})  # a series that ended has neither
    for column in columns:
        counts = ahead.groupby("unique_id")[column].apply(lambda values: values.head(view.horizon).notna().sum())
        counts = counts.reindex(active, fill_value=0)
        if (short := counts < view.horizon).any():
            name = counts.index[int(short.argmax())]
            raise HistoryInvalid(
                f"column {column!r} of series {name!r} has {int(counts[name])} values after the last observation "
                f"({cutoff:%Y-%m-%d %H:%M} UTC), and the model needs {view.horizon}",
                "Add rows with an empty y for the steps of the horizon.",
            )
