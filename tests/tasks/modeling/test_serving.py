"""Forecasts from a history that a caller gives: the numbers of the night, and faults by column, series and row."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle import Bundle
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.predict import Predictor
from models.rolling_origins import RollingOrigins
from tasks.modeling.candidate import load_bundle
from tasks.modeling.forecast_setup import ForecastSetup, OutputSpec
from tasks.modeling.forecasts import recalibrated_table
from tasks.modeling.serving import HistoryInvalid, forecast_history
from tasks.modeling.training_data import load_window_index, window_cutoffs

BOUNDS = OutputSpec(quantiles=(0.1, 0.5, 0.9), minimum=0)
NETWORK = Bundle.from_bytes((Path(__file__).parents[2] / "formats/bundle_recurrent.safetensors").read_bytes())
HOURS, AHEAD = 30, 6


def history(**changes: Any) -> pd.DataFrame:
    """Two series with the covariates of the stored network, and the plan of the next six hours."""
    times = pd.date_range("2024-03-01", periods=HOURS + AHEAD, freq="h", tz="UTC")
    parts = []
    for number, name in enumerate(("a", "b")):
        seen = np.arange(HOURS + AHEAD) < HOURS
        y = np.where(seen, 10 + 5 * np.sin(np.arange(HOURS + AHEAD) / 4) + number, np.nan)
        part = {"unique_id": name, "ds": times, "y": y, "plan": 8.0 + number, "wind": np.where(seen, 3.0, np.nan)}
        parts.append(pd.DataFrame(part | {"port": "north"}))
    return pd.concat(parts, ignore_index=True).assign(**changes)


def test_numbers_are_those_of_the_night(
    prepared: Any, model: Callable[..., Any], forecast_setup: ForecastSetup
) -> None:
    bundle = load_bundle(model("gru", 0.5), prepared.store)
    clean = prepared.store.get(prepared.clean)
    rows = window_cutoffs(PanelTable.from_frame(clean), load_window_index(prepared.windows, prepared.store), "forecast")
    rolling = RollingOrigins(Predictor(bundle), Panel.from_frame(clean, bundle.view))
    night, _ = recalibrated_table(rolling, rows, forecast_setup.bounds)
    served = forecast_history(bundle, clean, forecast_setup.bounds)
    pd.testing.assert_frame_equal(served, night.sort_values(["unique_id", "ds"], ignore_index=True), check_exact=True)


def test_order_and_types_of_the_rows_do_not_matter() -> None:
    expected = forecast_history(NETWORK, history(), BOUNDS)
    assert list(expected.columns) == ["unique_id", "ds", "cutoff", "step", "y_hat", "q10", "q50", "q90"]
    assert (len(expected), set(expected["step"])) == (12, {1, 2, 3, 4, 5, 6})
    assert set(expected["cutoff"]) == {pd.Timestamp(datetime(2024, 3, 2, 5, tzinfo=UTC))}
    shuffled = history().sample(frac=1, random_state=1)
    shuffled["ds"] = shuffled["ds"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    shuffled["plan"] = shuffled["plan"].astype(object)
    pd.testing.assert_frame_equal(forecast_history(NETWORK, shuffled, BOUNDS), expected, check_exact=True)


def test_names_may_be_a_category_in_any_order() -> None:
    expected = forecast_history(NETWORK, history(), BOUNDS)
    names = pd.Categorical(history()["unique_id"], categories=pd.Index(["gone", "b", "a"], dtype="str"))
    pd.testing.assert_frame_equal(forecast_history(NETWORK, history(unique_id=names), BOUNDS), expected)
    numbers = history(unique_id=pd.Categorical(history()["unique_id"].map({"a": 1, "b": 2})))
    assert set(forecast_history(NETWORK, numbers, BOUNDS)["unique_id"]) == {"1", "2"}


def test_step_that_is_missing_counts_as_a_gap() -> None:
    full = history()
    full.loc[[3, 4], ["y", "wind", "plan"]] = np.nan
    gap = history().drop(index=[3, 4])
    pd.testing.assert_frame_equal(forecast_history(NETWORK, gap, BOUNDS), forecast_history(NETWORK, full, BOUNDS))


def test_series_that_ended_is_left_out() -> None:
    table = history()
    ended = table[(table["unique_id"] == "a") | (table["ds"] < "2024-03-01 03:00+00:00")]
    assert set(forecast_history(NETWORK, ended, BOUNDS)["unique_id"]) == {"a"}


TABLE = history()
FAULTS = {
    "column": (
        TABLE.drop(columns=["plan", "wind"]),
        r"column 'plan', 'wind' is missing. The columns of this model are",
    ),
    "number": (
        TABLE.assign(y=TABLE["y"].astype(object).mask(TABLE.index == 3, "many")),
        r"column 'y' of row 3 \(series 'a', 2024-03-01 03:00:00\+00:00\) is 'many', which is not a finite number",
    ),
    "infinite": (TABLE.assign(wind=np.inf), r"column 'wind' of row 0 \(series 'a', .*\) is inf"),
    "time": (TABLE.assign(ds="soon"), r"ds of row 0 \(series 'a'\) is 'soon', which is not a time. Write ISO times"),
    "epoch": (TABLE.assign(ds=1_709_251_200_000), r"ds of row 0 \(series 'a'\) is 1709251200000, which is not a time"),
    "no name": (TABLE.assign(unique_id=None), r"row 0 has no unique_id"),
    "twice": (pd.concat([TABLE, TABLE.iloc[[5]]]), r"row 72 repeats series 'a' at 2024-03-01 05:00:00\+00:00"),
    "grid": (
        TABLE.assign(ds=TABLE["ds"].mask(TABLE.index == 7, pd.Timestamp("2024-03-01 07:20", tz="UTC"))),
        r"ds of row 7 \(series 'a'\) is 2024-03-01 07:20:00\+00:00, between two steps of the frequency 'h'",
    ),
    "empty": (TABLE.assign(y=np.nan), r"column 'y' has no value"),
    "horizon": (
        TABLE.iloc[:-2],
        r"column 'plan' of series 'b' has 4 values after the last observation \(2024-03-02 05:00 UTC\), and the model "
        r"needs 6. Add rows with an empty y",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_names_column_series_and_row(name: str) -> None:
    table, words = FAULTS[name]
    with pytest.raises(HistoryInvalid, match=words):
        forecast_history(NETWORK, table, BOUNDS)
