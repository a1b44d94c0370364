"""Forecasts meet the actuals of now, table by table, and are scored together."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NightcastError
from models import metrics
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.group_scores import ScoreSpec
from tasks.scoring import score_backtest

SPEC = ScoreSpec(season=24, reference="naive")


def forecasts_at(day: int, wrong: float, clean: pd.DataFrame, name: str = "gru") -> pd.DataFrame:
    """Three hours of each series, each `wrong` above the actual."""
    as_of = pd.Timestamp(f"2024-03-{day:02}", tz="UTC").as_unit("us")
    ahead = clean[(clean["ds"] >= as_of) & (clean["ds"] < as_of + pd.Timedelta("3h"))]
    table = ahead.assign(
        model_name=name, as_of=as_of, cutoff=as_of - pd.Timedelta("1h"), known="current", y_hat=ahead["y"] + wrong,
        step=ahead.groupby("unique_id").cumcount().add(1).astype("int16"), q10=ahead["y"], q50=ahead["y"] + wrong,
        q90=ahead["y"] + 2 * wrong,
    )  # fmt: skip
    return table.assign(y=np.nan)


def test_scores_of_all_tables_together(prepared: Any, forecast_setup: ForecastSetup) -> None:
    store, clean = prepared.store, prepared.store.get(prepared.clean)
    tables = (forecasts_at(8, 1.0, clean), forecasts_at(9, 3.0, clean), forecasts_at(8, 2.0, clean, "naive"))
    stored = tuple(store.put(table, "rolling_forecasts") for table in tables)
    first = datetime(2024, 3, 7, 23, tzinfo=UTC)
    scored = score_backtest.fn(stored, prepared.clean, first, SPEC, forecast_setup, store)
    forecasts, scores = store.get(scored.forecasts), store.get(scored.scores)
    assert len(forecasts) == 18
    assert np.allclose(forecasts["y_hat"] - forecasts["y"], np.repeat([1.0, 3.0, 2.0], 6))
    overall = scores[scores["by"] == "overall"].set_index("model_name")
    assert overall["mae"].to_dict() == {"gru": pytest.approx(2.0), "naive": pytest.approx(2.0)}
    assert overall["bias"].to_dict() == {"gru": pytest.approx(2.0), "naive": pytest.approx(2.0)}
    assert overall.loc["gru", "coverage_80"] == 1.0
    before = clean[clean["ds"] <= first]
    scales = [metrics.mase_scale(before.loc[before["unique_id"] == name, "y"], 24) for name in "ab"]
    assert overall.loc["gru", "mase"] == pytest.approx(np.mean([2.0 / scale for scale in scales]))
    assert set(scores["by"]) == {"overall", "step", "hour", "dayofweek", "origin", "month", "series"}
    assert [row["model_name"] for row in scored.overall] == ["gru", "naive"]
    assert scored.sentence == "18 forecasts of 2 models scored"


def test_columns_that_name_a_series_are_segments(prepared: Any, forecast_setup: ForecastSetup) -> None:
    store, clean = prepared.store, prepared.store.get(prepared.clean)
    ids = clean["unique_id"].map({"a": "north", "b": "south"})
    table, setup = (
        store.put(clean.assign(shop=ids), "clean"),
        forecast_setup.model_copy(update={"id_columns": ("shop",)}),
    )
    stored = store.put(forecasts_at(8, 1.0, clean), "rolling_forecasts")
    scored = score_backtest.fn((stored,), table, datetime(2024, 3, 7, 23, tzinfo=UTC), SPEC, setup, store)
    scores = store.get(scored.scores).set_index(["by", "group"])
    assert scores.loc["segment shop", "mae"].to_dict() == {"north": pytest.approx(1.0), "south": pytest.approx(1.0)}
    assert scores.loc["hour", "rows"].to_dict() == {"0": 2, "1": 2, "2": 2}
    assert scores.loc["dayofweek", "rows"].to_dict() == {"Friday": 6}
    assert scores.loc["month", "rows"].to_dict() == {"2024-03": 6}


def test_forecasts_of_the_future_have_no_scores_yet(prepared: Any, forecast_setup: ForecastSetup) -> None:
    store, clean = prepared.store, prepared.store.get(prepared.clean)
    table = forecasts_at(8, 1.0, clean)
    for name in ("ds", "as_of", "cutoff"):
        table[name] += pd.Timedelta("30D")
    stored = store.put(table, "rolling_forecasts")
    with pytest.raises(NightcastError, match=r"no forecast from 2024-04-06 .* has an actual yet. Give an earlier --to"):
        score_backtest.fn((stored,), prepared.clean, datetime(2024, 4, 6, tzinfo=UTC), SPEC, forecast_setup, store)
