"""Which values are parsed without the other values of their column."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tasks.sources.dataset import DatasetSpec
from tasks.sources.row_independence import are_rows_independent, are_series_independent

MakeDataset = Callable[..., DatasetSpec]
UTC, NAIVE = pa.timestamp("us", "UTC"), pa.timestamp("us")
BERLIN = {"timezone": "Europe/Berlin"}
COLUMNS = {"price": pa.float64(), "visits": pa.int64(), "town": pa.string()}


def schema(ds: pa.DataType = UTC, y: pa.DataType | None = None) -> pa.Schema:
    return pa.schema({"sku": pa.string(), "hour": ds, "sold": y or pa.float64(), **COLUMNS})


@pytest.mark.parametrize(
    ("kinds", "source", "by_row", "by_series"),
    [
        pytest.param({}, {}, True, True, id="instants and numbers"),
        pytest.param({"y": pa.dictionary(pa.int32(), pa.string())}, {}, False, False, id="numbers in text"),
        pytest.param({"y": pa.decimal128(9, 2)}, {}, False, False, id="decimals, which are parsed as text"),
        pytest.param({"ds": pa.string()}, {}, False, False, id="times in text"),
        pytest.param({"ds": NAIVE}, {}, True, True, id="naive times in UTC"),
        pytest.param({"ds": NAIVE}, BERLIN, False, True, id="wall times: an hour occurs twice in a series"),
        pytest.param({"ds": UTC}, BERLIN, True, True, id="instants in a source with a zone"),
        pytest.param({"ds": pa.int64()}, {}, False, False, id="numbers of an unknown unit"),
        pytest.param({"ds": pa.int64()}, {"epoch": "s"}, True, True, id="seconds since 1970"),
    ],
)
def test_type_of_a_column_decides(
    kinds: dict[str, pa.DataType], source: dict[str, Any], by_row: bool, by_series: bool, reading: MakeDataset
) -> None:
    base = reading()
    dataset = base.model_copy(update={"source": base.source.model_copy(update=source)})
    assert are_rows_independent(schema(**kinds), dataset) is by_row
    assert are_series_independent(schema(**kinds), dataset) is by_series


def test_naive_midnights_of_calendar_steps_are_decided_together(reading: MakeDataset) -> None:
    daily = reading(freq="D")
    in_zone = daily.model_copy(update={"source": daily.source.model_copy(update=BERLIN)})
    assert are_rows_independent(schema(NAIVE), daily)
    assert not are_series_independent(schema(NAIVE), in_zone)


def test_covariate_in_text_needs_all_values(reading: MakeDataset) -> None:
    changed = schema().set(3, pa.field("price", pa.string()))
    assert not are_rows_independent(changed, reading())
    assert are_rows_independent(changed, reading(features={"known": [], "static": ["price"]}))
