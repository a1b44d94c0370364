"""Forecast at rolling origins with the models of a night: the same windows, limits, rounding and closed steps.

clean table ─┬─ origin c1: a window per series ─┐
             └─ origin c2: a window per series ─┴─ blocks of windows ──> forecasts, one model and block at a time, with
                                                   intervals of the errors at origins before each, as a night has them
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.panel import InputSpec, Panel
from models.data.panel_table import PanelTable
from models.data.windows import forecast_windows
from models.predict import Predictor
from models.rolling_origins import RollingOrigins
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import closed_times_at, drop_closed_steps, load_comparable, recalibrated_table
from tasks.modeling.sharded_prediction import make_restorer
from tasks.results.backtest import Origin
from tasks.storage.store import Store

MAX_ROWS = 500_000  # of forecasts that are held at once


def windows_at(panel: Panel, origins: tuple[Origin, ...]) -> pd.DataFrame:
    """List the windows of every origin, those that a night at it would forecast.

    Args:
        panel: The series.
        origins: As-of, cutoff and kind of each origin.

    Returns:
        unique_id, cutoff, as_of (both UTC) and known: a row per origin and series that has not ended.
    """
    names, parts = np.array(panel.ids, dtype=object), []
    for origin in origins:
        cutoff = pd.Timestamp(origin.cutoff).as_unit("us")
        series, _ = forecast_windows(panel, int(panel.grid.get_loc(cutoff)))
        as_of = pd.Timestamp(origin.as_of).as_unit("us")
        parts.append(
            pd.DataFrame({"unique_id": names[series], "cutoff": cutoff, "as_of": as_of, "known": origin.known})
        )
    return pd.concat(parts, ignore_index=True).astype({"unique_id": "str", "known": "str"})


def split_rows(rows: pd.DataFrame, horizon: int, max_rows: int = MAX_ROWS) -> Iterator[pd.DataFrame]:
    """Split windows into blocks that are forecast at once; the windows of one cutoff stay together.

    Args:
        rows: The windows of `windows_at`.
        horizon: Steps that each window forecasts.
        max_rows: Of the forecasts of a block, unless one cutoff has more.

    Yields:
        Windows of one or more cutoffs, renumbered.
    """
    ends = np.flatnonzero(np.append(rows["cutoff"].to_numpy()[1:] != rows["cutoff"].to_numpy()[:-1], True)) + 1
    start = 0
    while start < len(rows):
        fitting = ends[(ends > start) & (ends <= start + max_rows // horizon)]
        end = int(fitting[-1]) if len(fitting) else int(ends[ends > start][0])
        yield rows.iloc[start:end].reset_index(drop=True)
        start = end


def forecast_blocks(
    clean: PanelTable,
    rows: pd.DataFrame,
    models: tuple[Candidate, ...],
    restore: Callable[[Candidate, Bundle], Predictor],
    setup: ForecastSetup,
    store: Store,
) -> Iterator[pd.DataFrame]:
    """Forecast every window with every model, one block of windows at a time.

    Args:
        clean: The clean table.
        rows: The windows of `windows_at`.
        models: The models.
        restore: Makes a model ready to forecast.
        setup: Inputs and outputs that the models must share.
        store: The store that holds the bundles.

    Yields:
        A forecast table with model_name, as_of and known, without the steps at which a series is closed.
    """
    closed = closed_times_at(rows["cutoff"].max(), clean, setup)
    panels: dict[InputSpec, Panel] = {}
    for model in models:
        bundle = load_comparable(model, setup.view, setup.bounds, store)
        if bundle.view not in panels:
            panels[bundle.view] = Panel.from_table(clean, bundle.view)
        rolling = RollingOrigins(restore(model, bundle), panels[bundle.view])
        for part in split_rows(rows, setup.view.horizon):
            table, _ = recalibrated_table(rolling, part, setup.bounds)
            for name in ("as_of", "known"):
                table[name] = part[name].array.repeat(bundle.horizon)
            yield drop_closed_steps(table.assign(model_name=model.label), closed)


@step
def forecast_origins(
    clean: Artifact, origins: tuple[Origin, ...], models: tuple[Candidate, ...], setup: ForecastSetup, store: Store
) -> Artifact:
    """Forecast at origins that share one clean table. Nothing is published.

    Args:
        clean: The clean table that the models see at these origins.
        origins: As-of and cutoff of each origin.
        models: The models to forecast with.
        setup: Inputs and outputs of the forecasts.
        store: The store that holds the bundles and takes the table.

    Returns:
        The forecasts, without actuals: a row per model, series, origin and open step.

    Raises:
        NightcastError: If no series has a value in the lookback of any of these origins.
        NotComparable: If a model was made for another setup.
        StoreDamaged: If the bundle of a model is missing or damaged.
    """
    table = load_clean_table(clean, store)
    rows = windows_at(Panel.from_table(table, setup.view), origins)
    if rows.empty:
        raise NightcastError(
            f"no series has a value in the {setup.view.lookback} steps before {origins[0].as_of:%Y-%m-%d %H:%M} UTC. "
            "Give another --from, or check the source at that time."
        )
    blocks = forecast_blocks(table, rows, models, make_restorer(clean, table.times, store), setup, store)
    return store.put_parts((block.assign(y=np.nan) for block in blocks), "rolling_forecasts")
