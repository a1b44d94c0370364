"""Frames become Arrow tables, also those of pandas whose columns mix kinds of values."""

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.errors import SpecError
from tasks.history.conversion import to_arrow


def test_column_of_one_kind_keeps_its_type() -> None:
    table = to_arrow(pd.DataFrame({"y": [1.0, 2.0], "unique_id": ["a", None]}))
    assert table.schema.field("y").type == pa.float64()
    assert table["unique_id"].to_pylist() == ["a", None]


def test_column_that_mixes_kinds_is_text_and_the_others_keep_their_type() -> None:
    day = dt.date(2024, 3, 1)
    table = to_arrow(pd.DataFrame({"y": [1.5, "many", None], "ds": [pd.Timestamp(day), "soon", None], "n": [1, 2, 3]}))
    assert table["y"].to_pylist() == ["1.5", "many", None]
    assert table["ds"].to_pylist() == ["2024-03-01 00:00:00", "soon", None]
    assert table.schema.field("n").type == pa.int64()


def test_object_that_is_not_a_table_is_refused() -> None:
    with pytest.raises(SpecError, match="this is a list"):
        to_arrow([1])
