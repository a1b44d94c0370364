"""A sample of many series."""

import pandas as pd
import pytest

from tasks.modeling.series import find_runs, sample_series


def test_sample_of_series_changes_little_when_a_series_joins() -> None:
    def chosen(names: list[str]) -> set[str]:
        return set(sample_series(pd.DataFrame({"unique_id": names}), 40)["unique_id"])

    names = [f"series {number}" for number in range(100)]
    assert len(chosen(names)) == 40
    assert len(chosen(names) & chosen([*names, "another"])) >= 39
    assert chosen(names[:40]) == set(names[:40])


@pytest.mark.parametrize(
    ("names", "hours", "expected"),
    [
        ("aab", [0, 1, 0], [("a", 0, 2), ("b", 2, 3)]),
        ("aab", [0, 0, 0], [("a", 0, 2), ("b", 2, 3)]),
        ("aab", [1, 0, 0], None),
        ("baa", [0, 0, 1], None),
        ("aba", [0, 0, 1], None),
        ("", [], []),
    ],
)
def test_runs_are_those_of_a_sorted_table(names: str, hours: list[int], expected: list[tuple[str, int, int]]) -> None:
    ds = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(pd.Series(hours, dtype=float), unit="h")
    runs = find_runs(pd.DataFrame({"unique_id": pd.Series(list(names), dtype="str"), "ds": ds}))
    assert (runs and [tuple(run) for run in zip(*runs, strict=True)]) == expected
