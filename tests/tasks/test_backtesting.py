"""Forecasts at origins are those of the same windows alone; blocks are whole batches; nothing later is seen."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.predict import Predictor
from tasks import backtesting
from tasks.backtesting import forecast_blocks, forecast_origins, split_rows, windows_at
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.backtest import Origin

Model = Callable[..., Candidate]


def restore(_: Candidate, bundle: Bundle) -> Predictor:
    return Predictor(bundle)


def origins_of(prepared: Any, *days: int) -> tuple[Origin, ...]:
    return tuple(
        Origin(
            as_of=datetime(2024, 3, day, tzinfo=UTC), cutoff=datetime(2024, 3, day - 1, 23, tzinfo=UTC),
            known="current", clean=prepared.clean,
        )
        for day in days
    )  # fmt: skip


def test_every_series_is_forecast_at_every_origin(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    stored = forecast_origins.fn(
        prepared.clean,
        origins_of(prepared, 8, 9),
        (model("gru", 0.5), model("old", 2.0)),
        forecast_setup,
        prepared.store,
    )
    table, clean = prepared.store.get(stored), prepared.store.get(prepared.clean)
    assert len(table) == 2 * 2 * 2 * 3
    assert table["y"].isna().all()
    yesterday = clean.assign(ds=clean["ds"] + pd.Timedelta("1D")).set_index(["unique_id", "ds"])["y"]
    gru = table[table["model_name"] == "gru"]
    expected = yesterday.reindex(pd.MultiIndex.from_frame(gru[["unique_id", "ds"]])).to_numpy() + 0.5
    assert np.allclose(gru["y_hat"], expected)
    assert (gru["ds"] == gru["as_of"] + pd.to_timedelta(gru["step"] - 1, unit="h")).all()


def test_blocks_do_not_change_a_forecast(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = load_clean_table(prepared.clean, prepared.store)
    rows = windows_at(Panel.from_table(table, forecast_setup.view), origins_of(prepared, 6, 7, 8, 9))
    monkeypatch.setattr(backtesting, "split_rows", lambda rows, horizon: split_rows(rows, horizon, max_rows=12))
    parts = list(forecast_blocks(table, rows, (model("gru", 0.5),), restore, forecast_setup, prepared.store))
    monkeypatch.undo()
    whole = list(forecast_blocks(table, rows, (model("gru", 0.5),), restore, forecast_setup, prepared.store))
    assert (len(parts), len(whole)) == (2, 1)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole[0])


def test_windows_of_a_cutoff_stay_in_one_block() -> None:
    rows = pd.DataFrame({"unique_id": list("abcabcab"), "cutoff": [1, 1, 1, 2, 2, 2, 3, 3]})
    for windows, cutoffs in ((1, [[1], [2], [3]]), (5, [[1], [2, 3]]), (7, [[1, 2], [3]]), (8, [[1, 2, 3]])):
        blocks = list(split_rows(rows, 24, max_rows=24 * windows))
        assert [block["cutoff"].unique().tolist() for block in blocks] == cutoffs
        assert "".join(pd.concat(blocks)["unique_id"]) == "abcabcab"


def test_values_after_the_origin_change_nothing(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    clean = prepared.store.get(prepared.clean)
    origins = origins_of(prepared, 8)
    poisoned = clean.assign(y=clean["y"].where(clean["ds"] < origins[0].as_of, 1e9))
    rows = windows_at(Panel.from_frame(clean, forecast_setup.view), origins)
    tables = [
        pd.concat(
            forecast_blocks(
                PanelTable.from_frame(frame), rows, (model("gru", 0.5),), restore, forecast_setup, prepared.store
            )
        )
        for frame in (clean, poisoned)
    ]
    pd.testing.assert_frame_equal(*tables)


def test_series_that_ended_has_no_window_and_none_at_all_is_an_error(
    prepared: Any, forecast_setup: ForecastSetup, model: Model
) -> None:
    frame = prepared.store.get(prepared.clean)
    frame.loc[(frame["unique_id"] == "a") & (frame["ds"] >= "2024-03-05"), "y"] = np.nan
    rows = windows_at(Panel.from_frame(frame, forecast_setup.view), origins_of(prepared, 5, 8))
    assert rows.groupby("as_of")["unique_id"].agg(list).tolist() == [["a", "b"], ["b"]]
    frame.loc[frame["ds"] >= "2024-03-05", "y"] = np.nan
    ended = prepared.store.put(frame, "clean")
    with pytest.raises(NightcastError, match="no series has a value in the 24 steps before 2024-03-08 00:00 UTC"):
        forecast_origins.fn(ended, origins_of(prepared, 8), (model("gru", 0.5),), forecast_setup, prepared.store)
