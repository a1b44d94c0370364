"""Forecast tables: make one with a bundle, and audit it before it is published."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_contracts.errors import ContractBroken, NightcastError
from models.bundle import Bundle
from models.data.closed_times import ClosedTimes, find_closed_times
from models.data.mapped_pages import release_pages
from models.data.panel import InputSpec, Panel
from models.data.panel_table import PanelTable
from models.predict import Predictor
from models.recalibration import Recalibration, apply_recalibration
from models.rolling_origins import RollingOrigins
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import ForecastSetup, OutputSpec
from tasks.modeling.scores import quantile_columns, quantile_name
from tasks.modeling.series import sort_by_series
from tasks.storage.store import Store

BLOCK_FORECASTS = 4096  # that are recalibrated at once
PARTITION_ROWS = 30_000  # of a forecast table that are labelled and checked at once, and read at once later


class NotComparable(NightcastError):
    """A model was trained for other inputs or outputs than the spec asks for, so it cannot be compared."""


def forecast_table(
    bundle: Bundle,
    clean: PanelTable,
    rows: pd.DataFrame,
    bounds: OutputSpec,
    predictor: Predictor | None = None,
    panel: Panel | None = None,
) -> pd.DataFrame:
    """Forecast the horizon after each cutoff with one model.

    Args:
        bundle: The model.
        clean: The clean table, from which the lookbacks and the known covariates are taken.
        rows: (unique_id, cutoff) of each window, cutoff in UTC.
        bounds: The smallest and largest value that a forecast may have.
        predictor: The same model, restored already; None restores it.
        panel: The clean table as a panel with the view of the model; None builds it.

    Returns:
        A row per series, cutoff and step, with columns unique_id, ds (UTC), cutoff, step (1 … horizon), y_hat (the
        median) and a column per quantile, in source units.
    """
    panel = panel or Panel.from_table(clean, bundle.view)
    predictor = predictor or Predictor(bundle)
    quantiles = predictor.quantiles(panel, *_locate_windows(panel, rows))
    predicted = predictor.restricted(quantiles, bounds.minimum, bounds.maximum)
    return _to_table(predicted, panel, rows, bundle.levels)


def recalibrated_table(
    rolling: RollingOrigins, rows: pd.DataFrame, bounds: OutputSpec, recalibration: Recalibration | None = None
) -> tuple[pd.DataFrame, Recalibration]:
    """Forecast the horizon after each cutoff; the errors at origins before it move medians and change interval widths.

    Args:
        rolling: The model and its series.
        rows: (unique_id, cutoff) of each window, each series at most once per cutoff, cutoff in UTC.
        bounds: The smallest and largest value that a forecast may have.
        recalibration: The factors of the rows; None fits them at each cutoff.

    Returns:
        The table of `forecast_table`, and the factors at the newest cutoff in the order of its rows.
    """
    bundle, predictor, panel = rolling.predictor.bundle, rolling.predictor, rolling.panel
    series, position = _locate_windows(panel, rows)
    quantiles, differences = predictor.forecast(panel, series, position)
    quantiles.sort(axis=-1)
    fitted = Recalibration.neutral(len(rows), bundle.horizon, len(bundle.levels))
    given = [(np.arange(len(rows)), recalibration)] if recalibration else rolling.recalibrate(series, position)
    for at, fitted in given:
        for begin in range(0, len(at), BLOCK_FORECASTS):  # the temporary arrays are as large as the quantiles
            part = np.arange(begin, min(begin + BLOCK_FORECASTS, len(at)))
            simple = None if differences is None else differences[:, at[part]]
            widened = apply_recalibration(quantiles[at[part]], fitted, bundle.levels, part, simple)
            quantiles[at[part]] = predictor.restricted(widened, bounds.minimum, bounds.maximum)
    release_pages(panel.y)  # the series are not read again
    return _to_table(quantiles, panel, rows, bundle.levels), fitted


def rows_without_covariates(clean: PanelTable, rows: pd.DataFrame, view: InputSpec) -> pd.DataFrame:
    """List the series that have no window because their known covariates end before the horizon does.

    Args:
        clean: The clean table.
        rows: (unique_id, cutoff) of the windows of a night.
        view: Known covariates and lookback.

    Returns:
        (unique_id, cutoff) of each series with an observation in the lookback that has not ended: it has a row, with y
        or with its known covariates, at the newest observation of all series.
    """
    cutoff, known = rows["cutoff"].max(), list(view.features.known_columns)
    if not known or rows.empty:
        return rows.iloc[:0]
    last = clean.newest_known()  # the cutoff, unless all series are closed there
    others = clean.select(clean.ids.difference(pd.Index(rows["unique_id"].unique())))
    others = others.between(0, others.steps_until(cutoff)).frame()
    has_row = others["y"].notna() | others[known].notna().all(axis=1)
    goes_on = others.loc[(others["ds"] == last) & has_row, "unique_id"]
    newest = others[others["unique_id"].isin(goes_on)].groupby("unique_id", observed=True).tail(view.lookback)
    names = sorted(newest.loc[newest["y"].notna(), "unique_id"].unique())
    return pd.DataFrame({"unique_id": names, "cutoff": cutoff}).astype(rows.dtypes.to_dict())


def _to_table(predicted: np.ndarray, panel: Panel, rows: pd.DataFrame, levels: tuple[float, ...]) -> pd.DataFrame:
    """Return the forecast table of quantiles (n, H, Q)."""
    count, horizon, _ = predicted.shape
    series, position = _locate_windows(panel, rows)
    table = pd.DataFrame(
        {
            "unique_id": rows["unique_id"].array.repeat(horizon),
            "ds": pd.DatetimeIndex(panel.times(series, position, horizon).reshape(-1), tz="UTC"),
            "cutoff": rows["cutoff"].array.repeat(horizon),
            "step": np.tile(np.arange(1, horizon + 1, dtype=np.int16), count),
            "y_hat": predicted[:, :, levels.index(0.5)].reshape(-1),
        }
    )
    for column, level in enumerate(levels):
        table[quantile_name(level)] = predicted[:, :, column].reshape(-1)
    return table


def _locate_windows(panel: Panel, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the series code and the position of the cutoff of each (unique_id, cutoff), both (n,) int32."""
    numbers = {name: number for number, name in enumerate(panel.ids)}
    series = rows["unique_id"].map(numbers).to_numpy(np.int32)
    return series, (panel.grid.get_indexer(rows["cutoff"]) - panel.first[series]).astype(np.int32)


def actuals_of(panel: Panel, rows: pd.DataFrame) -> np.ndarray:
    """Return y of each row that `forecast_table` gives for these windows, (n * horizon,); NaN if it is not known."""
    ahead = np.arange(1, panel.view.horizon + 1)
    actuals = panel.take(panel.y, *_locate_windows(panel, rows), ahead)
    return np.asarray(actuals.reshape(-1))


def closed_times_at(cutoff: pd.Timestamp, clean: PanelTable, setup: ForecastSetup) -> ClosedTimes:
    """Find the closed times of each series from the history up to a cutoff.

    Args:
        cutoff: The last cutoff of the forecasts, in UTC.
        clean: The clean table.
        setup: Frequency, zone, and how closed times are known.

    Returns:
        The closed times, for `drop_closed_steps`.
    """
    return find_closed_times(clean, setup.view.freq, setup.view.zone, setup.closed, clean.steps_until(cutoff))


def drop_closed_steps(table: pd.DataFrame, closed: ClosedTimes) -> pd.DataFrame:
    """Remove the steps of a forecast at which a series is closed; `step` keeps its number.

    Args:
        table: A forecast table with unique_id and ds (UTC).
        closed: The closed times of each series.

    Returns:
        The rows at open times, renumbered.
    """
    return table[~closed.contains(table["unique_id"], table["ds"])].reset_index(drop=True)


def iterate_series_parts(table: pd.DataFrame, rows: int = PARTITION_ROWS) -> Iterator[pd.DataFrame]:
    """Yield the rows by unique_id and ds, in parts of whole series.

    Args:
        table: A forecast table, in any order.
        rows: After how many rows a part ends with its last series.

    Yields:
        The rows of some series, renumbered. Parts follow each other in order.
    """
    ordered, begin = sort_by_series(table), 0
    while begin < len(table):
        end = int(ordered.ends[np.searchsorted(ordered.ends, min(begin + rows, len(table)))])
        yield ordered.table.iloc[begin:end].reset_index(drop=True)
        begin = end


def load_comparable(candidate: Candidate, view: InputSpec, bounds: OutputSpec, store: Store) -> Bundle:
    """Load the bundle of a model, and check that it was trained for these inputs and outputs.

    Returns:
        The bundle.

    Raises:
        StoreDamaged: If the bundle is missing or its digest differs.
        NotComparable: If horizon, quantiles or frequency differ, or the model needs a column that `view` does not have.
    """
    bundle, label = load_bundle(candidate, store), candidate.label
    for setting, trained, asked in (
        ("horizon", bundle.horizon, view.horizon),
        ("quantiles", bundle.levels, bounds.quantiles),
        ("freq", bundle.view.freq, view.freq),
    ):
        if trained != asked:
            raise NotComparable(f"{label} was made for {setting} {trained}, and the spec now asks for {asked}")
    missing = set(bundle.view.features.known_columns + bundle.view.features.observed + bundle.view.features.static)
    missing -= set(view.features.known_columns + view.features.observed + view.features.static)
    if missing:
        raise NotComparable(f"{label} learned from {', '.join(sorted(missing))}, which the spec no longer names")
    return bundle


def audit_forecasts(table: pd.DataFrame, horizon: int) -> None:
    """Check that a forecast table is complete, finite, ordered and unique before it is published.

    Args:
        table: A row per series, cutoff and step, as `forecast_table` returns them.
        horizon: Number of steps that each series must have.

    Raises:
        ContractBroken: If the table breaks a rule; the message lists every rule that is broken.
    """
    findings = [] if len(table) else ["the table has no rows"]
    values = table[["y_hat", *quantile_columns(table)]].to_numpy()
    if not np.isfinite(values).all():
        findings.append(f"{int((~np.isfinite(values)).any(axis=1).sum())} rows have a forecast that is not finite")
    if (np.diff(values[:, 1:], axis=1) < 0).any():
        findings.append("quantiles decrease from a lower to a higher level")
    counts = table.groupby(["unique_id", "cutoff"]).size()
    if not (counts == horizon).all():
        findings.append(f"{int((counts != horizon).sum())} series do not have exactly {horizon} steps")
    ordered = table[["unique_id", "cutoff", "ds", "step"]].sort_values("ds")
    if (ordered.groupby(["unique_id", "cutoff"]).cumcount() + 1 != ordered["step"]).any():
        findings.append(f"steps do not count from 1 to {horizon} in order of time")
    if table.duplicated(["unique_id", "ds", "cutoff"]).any():
        findings.append("a (unique_id, ds, cutoff) occurs more than once")
    if not (table["ds"] > table["cutoff"]).all():
        findings.append("a row has a ds that is not after its cutoff")
    if findings:
        raise ContractBroken("the forecasts table", findings)
