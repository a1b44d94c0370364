"""The columns that together name a series are read from its name, as the published tables have them."""

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.registry.id_columns import split_name, with_id_columns
from tasks.sources.series_names import join_names

PARTS = st.text(st.sampled_from("ab/%2F5 "), min_size=1, max_size=8)


def forecast(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": names, "ds": pd.Timestamp("2024-03-01", tz="UTC"), "item": 1.0})


@pytest.mark.parametrize(
    ("name", "parts"),
    [("north/tea", ["north", "tea"]), ("a%2Fb/c", ["a/b", "c"]), ("a%252Fb/c", ["a%2Fb", "c"]), ("alone", ["alone"])],
)
def test_name_is_split_into_its_parts(name: str, parts: list[str]) -> None:
    assert split_name(name) == parts


@given(st.lists(PARTS, min_size=2, max_size=3))
def test_split_is_the_inverse_of_joining(parts: list[str]) -> None:
    (name,) = join_names([pa.chunked_array([[part]]) for part in parts]).to_pylist()
    assert split_name(name) == parts


def test_columns_stand_right_of_the_name_and_a_taken_one_has_a_prefix() -> None:
    table = with_id_columns(forecast("north/tea", "north/tea", "south/milk"), ("store", "item"))
    assert table.columns.tolist() == ["unique_id", "store", "id_item", "ds", "item"]
    assert table["store"].tolist() == ["north", "north", "south"]
    assert table["id_item"].tolist() == ["tea", "tea", "milk"]


def test_series_whose_name_has_other_parts_has_empty_columns() -> None:
    table = with_id_columns(forecast("north/tea", "example"), ("store", "shelf"))
    assert table["store"].isna().tolist() == [False, True]
    assert table["shelf"].isna().tolist() == [False, True]


def test_series_with_a_single_name_has_no_further_column() -> None:
    assert with_id_columns(forecast("north"), ()).equals(forecast("north"))
