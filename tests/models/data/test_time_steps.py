"""Grids with the phase of most times, and when the period of a stamp begins and ends."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.time_steps import build_grid, day_of_month, default_stamps, period_begins, period_ends

FREQS = [
    "h",
    "15min",
    "2h",
    "D",
    "3D",
    "B",
    "2B",
    "W",
    "W-FRI",
    "2W-MON",
    "MS",
    "2MS",
    "ME",
    "QS-FEB",
    "QE",
    "YS",
    "YE",
    "BMS",
    "BME",
]


def at(*times: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(times), utc=True, format="ISO8601")).astype("datetime64[us, UTC]")


def text(times: pd.Series | pd.DatetimeIndex) -> str:
    return " ".join(str(time)[:16].replace(" 00:00", "") for time in times)


@pytest.mark.parametrize(
    ("times", "freq", "extra", "grid"),
    [
        ("2024-01-14 2024-02-14 2024-04-14", "MS", 1, "2024-01-14 2024-02-14 2024-03-14 2024-04-14 2024-05-14"),
        ("2024-01-01 2024-02-14 2024-03-14", "MS", 0, "2024-01-14 2024-02-14 2024-03-14"),
        ("2023-12-30 2024-01-30 2024-02-29", "MS", 2, "2023-12-30 2024-01-30 2024-02-29 2024-03-30 2024-04-30"),
        ("2023-12-29 2024-01-29 2024-02-29", "MS", 1, "2023-12-29 2024-01-29 2024-02-29 2024-03-29"),
        ("2024-04-06 2025-04-06", "YS-APR", 1, "2024-04-06 2025-04-06 2026-04-06"),
        ("2024-02-15 2024-05-15", "QS-FEB", 1, "2024-02-15 2024-05-15 2024-08-15"),
        ("2024-01-31 2024-02-29 2024-03-31", "MS", 0, "2024-02-01 2024-03-01"),
        ("2024-01-01 2024-01-08 2024-01-22 2024-02-05", "2W-MON", 1, "2024-01-08 2024-01-22 2024-02-05 2024-02-19"),
        ("2024-01-01 2024-01-03 2024-01-06 2024-01-09", "3D", 1, "2024-01-03 2024-01-06 2024-01-09 2024-01-12"),
        ("2024-01-01 2024-02-01 2024-04-01 2024-06-01", "2MS", 1, "2024-02-01 2024-04-01 2024-06-01 2024-08-01"),
        ("2024-01-01 2024-01-01T01:00 2024-01-01T03:00", "2h", 0, "2024-01-01 01:00 2024-01-01 03:00"),
        ("2024-01-05 2024-01-09", "B", 0, "2024-01-05 2024-01-08 2024-01-09"),
    ],
)  # fmt: skip
def test_grid_has_the_phase_of_most_times(times: str, freq: str, extra: int, grid: str) -> None:
    assert text(build_grid(at(*times.split()), freq, extra)) == grid


@pytest.mark.parametrize(
    ("freq", "stamps", "time", "begins", "ends"),
    [
        ("h", "begin", "2024-03-01T05:00", "2024-03-01 05:00", "2024-03-01 06:00"),
        ("h", "end", "2024-03-01T05:00", "2024-03-01 04:00", "2024-03-01 05:00"),
        ("D", "begin", "2024-03-01", "2024-03-01", "2024-03-02"),
        ("D", "end", "2024-03-01", "2024-03-01", "2024-03-02"),
        ("3D", "begin", "2024-03-01", "2024-03-01", "2024-03-04"),
        ("3D", "end", "2024-03-03", "2024-03-01", "2024-03-04"),
        ("B", "begin", "2024-03-01", "2024-03-01", "2024-03-02"),
        ("2B", "begin", "2024-03-01", "2024-03-01", "2024-03-05"),
        ("W-MON", "begin", "2024-03-04", "2024-03-04", "2024-03-11"),
        ("W-SUN", "end", "2024-03-10", "2024-03-04", "2024-03-11"),
        ("2W", "begin", "2024-03-10", "2024-03-10", "2024-03-24"),
        ("MS", "begin", "2024-02-01", "2024-02-01", "2024-03-01"),
        ("MS", "begin", "2024-02-14", "2024-02-14", "2024-03-14"),
        ("QS", "begin", "2024-04-01", "2024-04-01", "2024-07-01"),
        ("YS", "begin", "2024-01-01", "2024-01-01", "2025-01-01"),
        ("ME", "end", "2024-02-29", "2024-02-01", "2024-03-01"),
        ("QE", "end", "2024-06-30", "2024-04-01", "2024-07-01"),
        ("YE-MAR", "end", "2024-03-31", "2023-04-01", "2024-04-01"),
        ("BME", "end", "2024-03-29", "2024-03-01", "2024-03-30"),
        ("BMS", "begin", "2024-03-01", "2024-03-01", "2024-04-01"),
    ],
)  # fmt: skip
def test_period_begins_and_ends(freq: str, stamps, time: str, begins: str, ends: str) -> None:
    assert text(period_begins(at(time), freq, stamps)) == begins
    assert text(period_ends(at(time), freq, stamps)) == ends


def test_period_from_the_30th_lasts_to_the_30th_or_the_last_day_of_a_shorter_month() -> None:
    times = at("2023-12-30", "2024-01-30", "2024-02-29", "2024-03-30")
    assert day_of_month(times, "MS") == 30
    assert text(period_ends(times, "MS", "begin")) == "2024-01-30 2024-02-29 2024-03-30 2024-04-30"


@pytest.mark.parametrize("freq", FREQS)
def test_missing_and_extreme_times_have_ends(freq: str) -> None:
    times = pd.concat([at("0001-01-01", "9999-12-31"), pd.Series([pd.NaT], dtype="datetime64[us, UTC]")])
    ends = period_ends(times.reset_index(drop=True), freq, default_stamps(freq))
    assert ends.isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("freq", "stamps"),
    [(freq, "begin") for freq in ("h", "D", "W", "MS", "QS", "B", "BMS")]
    + [(freq, "end") for freq in ("ME", "BME", "QE-JAN", "YE", "SME", "2ME")],
)
def test_stamps_of_the_last_day_end_their_period(freq: str, stamps: str) -> None:
    assert default_stamps(freq) == stamps


@settings(max_examples=150)
@given(
    freq=st.sampled_from(FREQS), start=st.integers(0, 4000), steps=st.sets(st.integers(0, 40), min_size=3, max_size=25)
)
def test_successive_periods_meet_and_the_grid_holds_them(freq: str, start: int, steps: set[int]) -> None:
    first = pd.Timestamp("2015-01-01", tz="UTC") + pd.Timedelta(days=start)
    whole = pd.date_range(first, periods=42, freq=freq).as_unit("us")
    times = pd.Series(whole[sorted(steps)])
    grid = build_grid(times, freq, 3)
    assert times.isin(grid).all()
    assert grid.is_unique
    assert grid.is_monotonic_increasing
    every = pd.Series(grid)
    if freq not in ("B", "2B"):  # nothing happens at weekends
        for stamps in ("begin", "end"):
            ends, begins = period_ends(every, freq, stamps), period_begins(every, freq, stamps)
            assert (ends[:-1].to_numpy() == begins[1:].to_numpy()).all()
            assert (begins < ends).all()


@settings(max_examples=80)
@given(
    day=st.integers(2, 30),
    freq=st.sampled_from(["MS", "QS", "YS", "2MS"]),
    count=st.integers(8, 30),
    hole=st.integers(1, 6),
)
def test_billing_months_keep_their_day(day: int, freq: str, count: int, hole: int) -> None:
    firsts = pd.date_range("2019-01-01", periods=count, freq=freq, tz="UTC").as_unit("us")
    days = [min(day, month.days_in_month) for month in firsts]
    times = pd.Series([month.replace(day=number) for month, number in zip(firsts, days, strict=True)]).astype(
        "datetime64[us, UTC]"
    )
    grid = build_grid(times.drop(hole), freq, 4)
    assert times.isin(grid).all()
    assert len(grid) == count + 4
    again = build_grid(grid, freq, 4)
    assert (again[: len(grid)] == grid).all()
