"""Published tables of other releases and levels get one shape: as_of in each row, quantiles in the order of levels."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from tasks.history.columns import concat_vintages, with_as_of

NIGHT = datetime(2024, 3, 8, 5, tzinfo=UTC)
UTC_US = pa.timestamp("us", "UTC")


def test_table_of_an_earlier_release_gets_its_as_of_before_the_cutoff() -> None:
    table = pa.table({"unique_id": ["a"], "ds": pa.array([NIGHT], UTC_US), "cutoff": pa.array([NIGHT], UTC_US)})
    filled = with_as_of(table, NIGHT)
    assert filled.column_names == ["unique_id", "ds", "as_of", "cutoff"]
    assert filled["as_of"].to_pylist() == [NIGHT]
    assert filled.schema.field("as_of").type == UTC_US


def test_table_of_this_release_stays_as_it_is() -> None:
    later = datetime(2024, 3, 9, tzinfo=UTC)
    table = pa.table({"unique_id": ["a"], "as_of": pa.array([later], UTC_US), "y": [1.0]})
    assert with_as_of(table, NIGHT) is table


def test_series_column_of_an_earlier_release_that_is_called_as_of_keeps_its_values() -> None:
    filled = with_as_of(pa.table({"unique_id": ["x/1"], "as_of": ["x"], "y": [1.0]}), NIGHT)
    assert filled.to_pylist() == [{"unique_id": "x/1", "id_as_of": "x", "as_of": NIGHT, "y": 1.0}]


@pytest.mark.parametrize(
    ("older", "newer", "names"),
    [
        (["q10", "q50", "q90"], ["q05", "q50", "q95"], ["q05", "q10", "q50", "q90", "q95"]),
        (["q50"], ["q025", "q50", "q975"], ["q025", "q50", "q975"]),
        (["q10", "q50"], [], ["q10", "q50"]),
    ],
)
def test_levels_of_all_vintages_stand_in_order_and_missing_ones_are_null(
    older: list[str], newer: list[str], names: list[str]
) -> None:
    tables = [
        pa.table({"unique_id": ["a"], "y_hat": [1.0]} | {name: [1.0] for name in levels} | {"run_id": [f"r{number}"]})
        for number, levels in enumerate((older, newer))
    ]
    together = concat_vintages(tables)
    assert [name for name in together.column_names if name[0] == "q"] == names
    assert together["run_id"].to_pylist() == ["r0", "r1"]
    for name in names:
        assert together[name].to_pylist() == [1.0 if name in older else None, 1.0 if name in newer else None]
