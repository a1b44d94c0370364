"""Values that cannot be parsed: reported for every type of source, with the values that identify the row."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.quality.row_checks import find_duplicates, parse_rows
from tasks.quality.violations import Violation, describe_violation
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]
BARE: dict[str, Any] = {"features": {"known": []}}


def raw(**columns: Any) -> pd.DataFrame:
    """Raw rows of one series and hour each, with the columns that are given."""
    count = len(next(iter(columns.values())))
    hours = pd.date_range("2024-03-01", periods=count, freq="h", tz="UTC")
    given_or_plain = {"row": range(count), "unique_id": ["a"] * count, "ds": hours, "y": [1.0] * count}
    return pd.DataFrame(given_or_plain | columns)


def rows_by_rule(frame: pd.DataFrame, reading: DatasetSpec) -> dict[str, list[int]]:
    return {violation.rule: violation.rows for violation in parse_rows(frame, reading)[1]}


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1", " 2.5 ", "-3e2", "+4", ".5"], [1.0, 2.5, -300.0, 4.0, 0.5]),
        (["", "NA", "nan", "None", "null", "n/a", " "], [None] * 7),
        ([1, 2], [1.0, 2.0]),
        ([True, False], [1.0, 0.0]),
        ([Decimal("1.10"), None], [1.1, None]),
        (["0.1", "5e-324", "1.7976931348623157e308"], [0.1, 5e-324, 1.7976931348623157e308]),
    ],
)
def test_numbers_are_parsed_from_text_integers_booleans_and_decimals(
    reading: MakeDataset, values: list[Any], numbers: list[float | None]
) -> None:
    frame, violations = parse_rows(raw(y=values), reading(**BARE))
    assert violations == []
    assert [None if np.isnan(value) else value for value in frame["y"]] == numbers


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_number_as_text_is_parsed_to_the_last_bit(reading: MakeDataset, numbers: list[float]) -> None:
    frame, _ = parse_rows(raw(y=[repr(number) for number in numbers]), reading(**BARE))
    assert frame["y"].tolist() == numbers


@pytest.mark.parametrize("word", ["many", "5,0", "1_000", "0x10", "٣٤x", "12 34", "2024-03-01", "=1+1"])
def test_text_that_is_not_a_number_is_reported(reading: MakeDataset, word: str) -> None:
    assert rows_by_rule(raw(y=["1", word, "3"]), reading(**BARE)) == {"y is a number": [1]}


def test_times_and_lists_are_not_numbers(reading: MakeDataset) -> None:
    times = raw(y=pd.to_datetime(["2024-03-01", "2024-03-02"]))
    assert rows_by_rule(times, reading(**BARE)) == {"y is a number": [0, 1]}
    assert rows_by_rule(raw(y=[[1.0], None]), reading(**BARE)) == {"y is a number": [0]}


@pytest.mark.parametrize("endless", [[1.0, math.inf], ["1", "-inf"], ["1", "1e400"]])
def test_infinity_is_reported_and_becomes_missing(reading: MakeDataset, endless: list[Any]) -> None:
    frame, _ = parse_rows(raw(y=endless), reading(**BARE))
    assert rows_by_rule(raw(y=endless), reading(**BARE)) == {"y is finite": [1]}
    assert math.isnan(frame["y"][1])


@pytest.mark.parametrize("name", [None, "", "  ", "a\x00b", "a\nb", "tab\t", "\x7f", "del\x85"])
def test_empty_id_or_control_character_is_reported(reading: MakeDataset, name: str | None) -> None:
    assert rows_by_rule(raw(unique_id=["a", name]), reading(**BARE)) == {"unique_id is a name": [1]}


@pytest.mark.parametrize(
    "name", ["../../etc", "a/b", "a\\b", "😀", "שלום", "x" * 500, "=cmd|' /C calc'!A0", "<script>", "NaN", "007"]
)
def test_any_other_id_is_kept_unchanged(reading: MakeDataset, name: str) -> None:
    frame, violations = parse_rows(raw(unique_id=["a", name]), reading(**BARE))
    assert violations == []
    assert frame["unique_id"].tolist() == ["a", name]


def test_ids_are_normalized_to_nfc(reading: MakeDataset) -> None:
    frame, _ = parse_rows(raw(unique_id=["Zu\u0308rich", "Z\u00fcrich"]), reading(**BARE))
    assert frame["unique_id"].nunique() == 1


def test_numeric_ids_become_text(reading: MakeDataset) -> None:
    frame, violations = parse_rows(raw(unique_id=[7, 8]), reading(**BARE))
    assert (frame["unique_id"].tolist(), violations) == (["7", "8"], [])


def test_promised_integer_must_be_a_whole_number(reading: MakeDataset, promise: Callable[..., Any]) -> None:
    dataset = reading(contract=promise())
    frame = raw(y=[1.5, 2.0, 3.0]).assign(price=1.25, visits=["3", "3.5", "x"], town="Bonn", returned=[0, -1, 2.5])
    assert rows_by_rule(frame, dataset) == {"visits is a number": [2], "visits is whole": [1], "returned is whole": [2]}


def test_first_row_of_a_repeated_series_and_time_is_used(reading: MakeDataset) -> None:
    frame, _ = parse_rows(raw(unique_id=["a", "a", "a", "b"], ds=["2024-03-01"] * 4), reading(**BARE))
    (violation,) = find_duplicates(frame, reading(**BARE))
    assert (violation.rows, violation.column) == ([1, 2], "sku, hour")


def test_rows_without_a_key_are_not_duplicates(reading: MakeDataset) -> None:
    frame, _ = parse_rows(raw(unique_id=[None, None], ds=["soon", "soon"]), reading(**BARE))
    assert find_duplicates(frame, reading(**BARE)) == []


def test_violation_of_one_row_is_described_in_the_singular() -> None:
    rows = raw(y=np.array([5.0, 1.0]))
    violation = Violation("late is a count", "late", "error", "must be small", [0])
    assert describe_violation(violation, rows) == (
        "rule 'late is a count', column 'late': must be small; 1 row at fault, series 'a', row 0; "
        "ds 2024-03-01 00:00:00+00:00, y 5.0"
    )


def test_violation_of_many_rows_shows_the_first_series_and_rows() -> None:
    rows = raw(unique_id=list("abcdef"), y=["many"] * 6)
    sentence = describe_violation(Violation("r", "y", "error", "must be a number", [0, 1, 2, 3, 4, 5]), rows)
    assert sentence.endswith(
        "6 rows at fault, series 'a', 'b', 'c', 'd' and 2 more, rows 0, 1, 2, 3, 4 …; "
        "the first: ds 2024-03-01 00:00:00+00:00, y 'many'"
    )


def test_violation_of_the_whole_table_names_no_row() -> None:
    sentence = describe_violation(
        Violation("there are rows", "the table", "error", "must have rows (found 0)", []), raw(y=[1.0])
    )
    assert sentence == "rule 'there are rows', column 'the table': must have rows (found 0)"


def test_hostile_value_is_described_on_one_short_line() -> None:
    rows = raw(unique_id=["x\ny\x1b[31m" * 100], ds=["soon\r\n" * 100], y=["z" * 100_000])
    sentence = describe_violation(Violation("r", "y", "error", "must be a number", [0]), rows)
    assert sentence.isprintable()
    assert len(sentence) < 400


def test_missing_value_is_described_as_nothing() -> None:
    rows = raw(unique_id=[None], y=[None])
    assert "series nothing, row 0; ds 2024-03-01 00:00:00+00:00, y nothing" in describe_violation(
        Violation("r", "y", "error", "why", [0]), rows
    )


@pytest.mark.parametrize(("value", "shown"), [("dear", "'dear'"), ([1, 2], "[1, 2]"), (None, "nothing"), (2.5, "2.5")])
def test_violation_of_a_covariate_shows_its_value(value: Any, shown: str) -> None:
    rows = raw(y=[1.0]).assign(price=pd.Series([value], dtype=object))
    sentence = describe_violation(Violation("r", "price", "error", "must be a number", [0]), rows)
    assert sentence.endswith(f"y 1.0, price {shown}")
