"""Forecaster: fit and predict on a frame, with the defaults of a pipeline."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.errors import ContractBroken, SpecError
from flows.notebook.forecaster import Forecaster, FrameInvalid, NotFitted
from flows.pipeline.spec import PipelineSpec
from tasks.modeling.serving import HistoryInvalid

SMALL: dict[str, Any] = {
    "models": [{"cell": "gru", "hidden": 8}],
    "training": {"max_epochs": 2, "windows_per_epoch": 64, "validation_windows": 32},
    "evaluation": {"windows": 3},
}
DAYS = 150


def sales(days: int = DAYS) -> pd.DataFrame:
    """Two shops with a weekly cycle and a price that is planned a week ahead; times without a zone, rows shuffled."""
    draw = np.random.default_rng(3)
    parts = []
    for number, name in enumerate(("north", "south")):
        ds = pd.date_range("2024-01-01", periods=days + 7, freq="D")
        price = 2.0 + draw.integers(0, 2, len(ds))
        y = 20 + 5 * np.sin(2 * np.pi * np.arange(len(ds)) / 7) - 4 * price + number + draw.normal(0, 0.3, len(ds))
        y[days:] = np.nan
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y, "price": price, "note": "x"}))
    return pd.concat(parts).sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    model = Forecaster(freq="D", horizon=7, quantiles=(0.1, 0.9), known=("price", "dayofweek"), **SMALL)
    return model.fit(sales())


def test_forecast_has_a_row_per_series_and_step_with_ordered_quantiles(fitted: Forecaster) -> None:
    table = fitted.predict()
    assert table.columns.tolist() == [
        "unique_id", "ds", "cutoff", "step", "y_hat", "q10", "q50", "q90", "model_name",
    ]  # fmt: skip
    assert table.groupby("unique_id")["step"].apply(list).to_dict() == {
        name: [*range(1, 8)] for name in ("north", "south")
    }
    assert table["cutoff"].unique().tolist() == [pd.Timestamp("2024-05-29", tz="UTC")]
    assert ((table["q10"] <= table["q50"]) & (table["q50"] <= table["q90"])).all()
    assert (table["y_hat"] == table["q50"]).all()


def test_best_model_of_the_leaderboard_forecasts(fitted: Forecaster) -> None:
    board = fitted.leaderboard
    assert board["mase"].is_monotonic_increasing
    assert set(fitted.predict()["model_name"]) == {board["model_name"].iloc[0]}
    assert {"gru-8", "naive", "linear"} <= set(board["model_name"])


def test_newer_history_is_forecast_without_training(fitted: Forecaster) -> None:
    newer = sales().query("ds < '2024-05-25'")
    newer.loc[newer["ds"] >= "2024-05-18", "y"] = np.nan
    assert fitted.predict(newer)["cutoff"].unique().tolist() == [pd.Timestamp("2024-05-17", tz="UTC")]


def test_result_is_of_the_library_of_the_frame(fitted: Forecaster) -> None:
    assert isinstance(fitted.predict(pa.Table.from_pandas(sales(), preserve_index=False)), pa.Table)
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install polars")
    assert isinstance(fitted.predict(polars.from_pandas(sales())), polars.DataFrame)


def test_fault_of_a_history_is_named(fitted: Forecaster) -> None:
    with pytest.raises(HistoryInvalid, match="column 'price' is missing"):
        fitted.predict(sales().drop(columns="price"))


def test_defaults_are_those_of_a_pipeline() -> None:
    written = PipelineSpec.model_validate(
        {
            "name": "shop",
            "source": {"kind": "csv", "path": "sales.csv"},
            "columns": {"unique_id": "unique_id", "ds": "ds", "y": "y"},
            "freq": "D",
            "windowing": {"horizon": 7},
        }
    )
    spec = Forecaster(freq="D", horizon=7).spec
    assert (spec.recipes, spec.forecast_setup) == (written.recipes, written.forecast_setup)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freq": "fortnight"}, "freq: 'fortnight' is not a pandas frequency"),
        ({"horizon": 0}, "windowing.horizon: Input should be greater than 0"),
        ({"quantiles": (0.1, 1.5)}, "forecast.quantiles: every quantile must lie between 0 and 1"),
        ({"models": ["transformer"]}, "models"),
        ({"trainings": {}}, "trainings: Extra inputs are not permitted"),
    ],
)
def test_setting_that_is_not_valid_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Forecaster(**({"freq": "D", "horizon": 7} | settings))


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        ([1, 2], SpecError, "this is a list. Give a pandas or Polars frame"),
        (sales().drop(columns="y"), ContractBroken, "'y'.*is missing"),
        (sales().assign(y="many"), ContractBroken, "many"),
        (sales().assign(y=np.nan), ContractBroken, "no row has a value"),
    ],
)
def test_frame_that_cannot_be_used_is_named(frame: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        Forecaster(freq="D", horizon=7, **SMALL).fit(frame)


def with_cells(column: str, *values: object) -> pd.DataFrame:
    """The sales of the shops with these values in the first rows of a column."""
    frame = sales().sort_values(["unique_id", "ds"], ignore_index=True).astype({column: object})
    frame.loc[range(len(values)), column] = list(values)
    return frame


@pytest.mark.parametrize(
    ("frame", "finding"),
    [
        (
            with_cells("y", "many", 3.5, "few"),
            "rule 'y is a number', column 'y': must be a number or empty; 2 rows at fault, series 'north', rows 0, 2; "
            "the first: ds 2024-01-01 00:00:00, y 'many'",
        ),
        (
            with_cells("ds", "soon"),
            "rule 'ds is a time', column 'ds': must be a valid time; 1 row at fault, series 'north', row 0; ds 'soon', "
            "y 8.42",
        ),
        (sales().drop(columns="y"), "column 'y', the target (y), is missing; the frame has unique_id, ds"),
        (sales().iloc[:0], "the table has no rows"),
    ],
)
def test_wrong_cells_of_a_frame_are_named_and_no_file_is(frame: pd.DataFrame, finding: str) -> None:
    with pytest.raises(FrameInvalid) as refused:
        Forecaster(freq="D", horizon=7, **SMALL).fit(frame)
    lines = str(refused.value).splitlines()
    assert lines[0] == "the frame cannot be used:"
    assert lines[1].startswith(f"  - {finding}")
    assert lines[2:] == ["Correct these columns or cells, or leave the cells empty, then call fit again."]


def test_predict_before_fit_is_refused() -> None:
    with pytest.raises(NotFitted, match="call fit"):
        Forecaster(freq="D", horizon=7).predict()
