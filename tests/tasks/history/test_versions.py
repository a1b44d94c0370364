"""A night publishes rows that are new or corrected, and the newest version of a row counts."""

from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest

from tasks.history.versions import ACTUALS_KEY, changed_rows, newest_versions

FIRST, SECOND = datetime(2024, 3, 8, tzinfo=UTC), datetime(2024, 3, 9, tzinfo=UTC)
DS = pd.Timestamp("2024-03-07", tz="UTC").as_unit("us")


def rows(**values: float | None) -> pd.DataFrame:
    """A row per series: rows(a=1.0, b=2.0)."""
    frame = pd.DataFrame({"unique_id": list(values), "ds": DS, "y": list(values.values())})
    return frame.assign(as_of=pd.Timestamp(SECOND))


@pytest.mark.parametrize(
    ("now", "known", "exact", "published"),
    [
        ({"a": 1.0, "b": 2.0}, {}, True, ["a", "b"]),  # the first night
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}, True, ["b"]),
        ({"a": 1.0, "b": 2.5}, {"a": 1.0, "b": 2.0}, True, ["b"]),  # a correction
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}, True, []),  # a value that is gone stays as it was
        ({"a": 1.0 + 1e-12}, {"a": 1.0}, True, ["a"]),
        ({"a": 1.0 + 1e-12}, {"a": 1.0}, False, []),  # a score, rounded on another machine
        ({"a": 1.001}, {"a": 1.0}, False, ["a"]),
        ({"a": float("nan")}, {"a": float("nan")}, False, []),
        ({"a": 1.0}, {"a": float("nan")}, False, ["a"]),
        ({"a": 0.0}, {"a": 1e-300}, True, ["a"]),
    ],
)
def test_rows_that_are_new_or_corrected_are_published(
    now: dict[str, float], known: dict[str, float], exact: bool, published: list[str]
) -> None:
    before = rows(**known) if known else pd.DataFrame()
    assert changed_rows(rows(**now), before, ACTUALS_KEY, exact)["unique_id"].tolist() == published


def test_text_counts_and_the_as_of_does_not() -> None:
    known = rows(a=1.0, b=1.0).assign(source=["champion", "champion"], as_of=pd.Timestamp(FIRST))
    now = rows(a=1.0, b=1.0).assign(source=["champion", "seasonal_naive"])
    assert changed_rows(now, known, ACTUALS_KEY, True)["unique_id"].tolist() == ["b"]


def test_newest_version_of_each_row_stays_in_the_order_of_the_table() -> None:
    table = pa.table(
        {
            "unique_id": ["b", "a", "a", "b"],
            "ds": pa.array([FIRST] * 4, pa.timestamp("us", "UTC")),
            "as_of": pa.array([SECOND, FIRST, SECOND, FIRST], pa.timestamp("us", "UTC")),
            "y": [1.0, 2.0, 3.0, 4.0],
        }
    )
    assert newest_versions(table, ACTUALS_KEY).select(["unique_id", "y"]).to_pylist() == [
        {"unique_id": "b", "y": 1.0},
        {"unique_id": "a", "y": 3.0},
    ]


def test_no_rows_have_no_versions() -> None:
    empty = pa.table({"unique_id": pa.array([], pa.string()), "ds": pa.array([], pa.timestamp("us", "UTC"))})
    assert len(newest_versions(empty.append_column("as_of", empty["ds"]), ACTUALS_KEY)) == 0
