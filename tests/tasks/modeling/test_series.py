"""A sample of many series."""

import pandas as pd
import pytest

from tasks.modeling.series import sample_series, sort_by_series


def test_sample_of_series_changes_little_when_a_series_joins() -> None:
    def chosen(names: list[str]) -> set[str]:
        return set(sample_series(pd.DataFrame({"unique_id": names}), 40)["unique_id"])

    names = [f"series {number}" for number in range(100)]
    assert len(chosen(names)) == 40
    assert len(chosen(names) & chosen([*names, "another"])) >= 39
    assert chosen(names[:40]) == set(names[:40])


@pytest.mark.parametrize(
    ("names", "hours", "rows"),
    [
        ("aab", [0, 1, 0], [0, 1, 2]),
        ("aab", [0, 0, 0], [0, 1, 2]),
        ("aab", [1, 0, 0], [1, 0, 2]),
        ("baa", [0, 0, 1], [1, 2, 0]),
        ("aba", [0, 0, 1], [0, 2, 1]),
        ("", [], []),
    ],
)
def test_rows_of_each_series_are_those_of_the_sorted_table(names: str, hours: list[int], rows: list[int]) -> None:
    ds = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(pd.Series(hours, dtype=float), unit="h")
    table = pd.DataFrame({"unique_id": pd.Series(list(names), dtype="str"), "ds": ds, "row": range(len(names))})
    ordered = sort_by_series(table)
    assert ordered.table["row"].tolist() == rows
    assert (ordered.table is table) == (rows == list(range(len(names))))
    expected = [("a", 0, 2), ("b", 2, 3)] if names else []
    assert list(zip(ordered.names, ordered.begins, ordered.ends, strict=True)) == expected
