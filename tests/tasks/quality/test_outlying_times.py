"""Times far from all others are violations of their rows; honest pauses and long histories are not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.time_steps import build_grid
from tasks.quality.outlying_times import check_outlying_times, is_outlying
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]


def at(*times: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(times), utc=True, format="ISO8601")).astype("datetime64[us, UTC]")


def days(start: str, count: int, freq: str = "D") -> pd.Series:
    return pd.Series(pd.date_range(start, periods=count, freq=freq, tz="UTC").as_unit("us"))


def with_rows(times: pd.Series, *more: str) -> pd.Series:
    return pd.concat([times, at(*more)], ignore_index=True)


PLACEHOLDERS = ["0001-01-01", "1900-01-01", "1970-01-01", "1969-12-31T23:00", "2099-12-31", "9999-12-31", "2999-12-31"]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize(
    ("start", "count", "freq"),
    [("2023-06-01", 400, "D"), ("2014-01-01", 3650, "D"), ("1990-01-01", 360, "MS"), ("2024-01-01", 900, "h")],
)
def test_placeholder_date_is_outlying(placeholder: str, start: str, count: int, freq: str) -> None:
    times = with_rows(days(start, count, freq), placeholder)
    assert is_outlying(times, freq).tolist() == [False] * count + [True]


@pytest.mark.parametrize("typed", ["0202-03-01", "1014-03-01", "2204-03-01", "2042-03-01"])
def test_year_with_a_typo_is_outlying(typed: str) -> None:
    assert is_outlying(with_rows(days("2022-01-01", 700), typed), "D").sum() == 1


def test_two_placeholders_of_many_series_are_outlying() -> None:
    times = pd.concat([with_rows(days("2023-01-01", 300), "1900-01-01", "1970-01-01")] * 5, ignore_index=True)
    assert is_outlying(times, "D").sum() == 10


@pytest.mark.parametrize(
    "times",
    [
        days("1900-01-01", 120, "YS"),
        pd.concat([days("2015-01-01", 25), days("2024-01-01", 30)], ignore_index=True),
        pd.concat([days("2015-01-01", 5), days("2024-01-01", 300)], ignore_index=True),
        pd.concat([days("1969-12-25", 30), days("2024-01-01", 30)], ignore_index=True),
        with_rows(days("2024-01-01", 300), "2025-06-01"),
        at("2024-01-01", "1970-01-01"),
    ],
    ids=["years since 1900", "two short histories", "a short one before", "around 1970", "a pause", "two rows"],
)
def test_honest_history_is_not_outlying(times: pd.Series) -> None:
    assert not is_outlying(times, "YS" if len(times) == 120 else "D").any()


def test_placeholder_inside_the_span_of_other_series_is_outlying_in_its_own() -> None:
    old, new = days("1960-01-01", 400, "MS"), with_rows(days("2015-01-01", 60, "MS"), "1970-01-01")
    times = pd.concat([old, new], ignore_index=True)
    series = pd.Series(["old"] * len(old) + ["new"] * len(new))
    assert is_outlying(times, "MS", series).tolist() == [False] * (len(times) - 1) + [True]


def test_row_is_named_with_its_time_and_the_span_of_the_others(reading: MakeDataset) -> None:
    times = with_rows(days("2024-01-01", 60), "1900-01-01")
    frame = pd.DataFrame({"row": range(len(times)), "unique_id": "a", "ds": times})
    (violation,) = check_outlying_times(frame, reading(freq="D"))
    assert (violation.rows, violation.rule) == ([60], "ds is near the others")
    assert violation.reason.startswith("1900-01-01 lies far from the other times, 2024-01-01 to 2024-02-29;")


def test_most_rows_are_right_if_a_time_is_too_far_for_memory(reading: MakeDataset) -> None:
    times = with_rows(days("2024-01-01", 9, "min"), "9999-12-31")
    frame = pd.DataFrame({"row": range(10), "unique_id": "a", "ds": times})
    (violation,) = check_outlying_times(frame, reading(freq="min"))
    assert violation.rows == [9]
    assert "after most times" in violation.reason


@settings(max_examples=100)
@given(
    freq=st.sampled_from(["h", "D", "W-MON", "2W", "MS", "3D"]),
    count=st.integers(30, 200),
    far=st.sampled_from(PLACEHOLDERS),
    kept=st.floats(0.5, 1),
)
def test_far_row_changes_only_that_row(freq: str, count: int, far: str, kept: float) -> None:
    times = days("2022-03-01", count, freq)
    times = times[np.random.default_rng(count).random(count) < kept].reset_index(drop=True)
    if len(times) < 25:
        return
    outlying = is_outlying(with_rows(times, far), freq)
    assert outlying.tolist() == [False] * len(times) + [True]
    remaining = with_rows(times, far)[~outlying]
    assert build_grid(remaining, freq, 2).equals(build_grid(times, freq, 2))
