"""Origins keep their distance on the wall clock, lie in the range, and a wrong range says what to give instead."""

import itertools
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import SpecError
from flows.pipeline.origins import default_distance, list_origins, parse_distance
from flows.pipeline.spec import PipelineSpec

NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)


def spec_of(freq: str = "h", zone: str = "America/New_York") -> PipelineSpec:
    return PipelineSpec.model_validate({
        "name": "shop", "source": {"kind": "csv", "path": "shop.csv"}, "columns": {"ds": "t", "y": "v"}, "freq": freq,
        "windowing": {"horizon": 7}, "schedule": {"timezone": zone},
    })  # fmt: skip


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_days_keep_the_time_of_day_across_a_clock_change() -> None:
    origins = list_origins(spec_of(), "2024-03-09T05:00", "2024-03-11", None, NOW)
    assert origins == (utc(2024, 3, 9, 10), utc(2024, 3, 10, 9), utc(2024, 3, 11, 9))


def test_last_day_is_included() -> None:
    assert list_origins(spec_of(zone="UTC"), "2024-03-01", "2024-03-03", "1d", NOW)[-1] == utc(2024, 3, 3)
    assert list_origins(spec_of(zone="UTC"), "2024-03-01", "2024-03-03T00:00", "1d", NOW)[-1] == utc(2024, 3, 3)
    assert list_origins(spec_of(zone="UTC"), "2024-03-01", "2024-03-01", "12h", NOW) == (
        utc(2024, 3, 1), utc(2024, 3, 1, 12),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("h", [utc(2024, 1, 2), utc(2024, 1, 3)]),
        ("D", [utc(2024, 1, 2), utc(2024, 1, 3)]),
        ("B", [utc(2024, 1, 2), utc(2024, 1, 3)]),
        ("2D", [utc(2024, 1, 3), utc(2024, 1, 5)]),
        ("W", [utc(2024, 1, 8), utc(2024, 1, 15)]),
        ("MS", [utc(2024, 2, 1), utc(2024, 3, 1)]),
        ("ME", [utc(2024, 2, 1), utc(2024, 3, 1)]),
        ("QS", [utc(2024, 4, 1)]),
    ],
)
def test_default_distance_is_a_day_or_one_longer_step(freq: str, expected: list[datetime]) -> None:
    origins = list_origins(spec_of(freq, "UTC"), "2024-01-01", "2024-06-01", None, NOW)
    assert list(origins[1:3]) == expected


@pytest.mark.parametrize(
    ("start", "end", "every", "message"),
    [
        (
            "2024-03-02",
            "2024-03-01",
            None,
            "--from 2024-03-02 00:00 UTC is after --to 2024-03-01 23:59 UTC.* later --to",
        ),
        (
            "2024-03-02",
            "2024-06-20",
            None,
            r"2024-06-20 00:00 UTC of --to .* is after 2024-06-10 12:00 UTC.* --to 2024",
        ),
        ("2024-03-02", "2024-03-03", "daily", "--every 'daily' is not a duration. Write .* 12h or 4w"),
        ("2024-03-02", "2024-03-03", "-1d", "--every -1d is shorter than one step of freq h.* for example 1d"),
        ("2024-03-02", "2024-03-03", "10min", "--every 10min is shorter than one step"),
        ("2001-03-02", "2024-03-03", "1h", "more than 10,000 origins .* Give a larger --every"),
        ("yesterday evening", "2024-03-03", None, "--from 'yesterday evening' is not an unambiguous time"),
    ],
)
def test_wrong_range_says_what_to_give(start: str, end: str, every: str | None, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        list_origins(spec_of(zone="UTC"), start, end, every, NOW)


def test_whole_days_are_of_the_calendar_and_hours_elapse() -> None:
    assert parse_distance("2d", "h") == pd.DateOffset(days=2)
    assert parse_distance("36h", "h") == pd.Timedelta("36h")
    assert default_distance("15min") == pd.DateOffset(days=1)


@settings(max_examples=50)
@given(
    minutes=st.integers(0, 60 * 24 * 330),
    days=st.integers(0, 40),
    every=st.sampled_from(["1d", "7d", "5h", "36h", None]),
)
def test_origins_rise_within_the_range(minutes: int, days: int, every: str | None) -> None:
    first = pd.Timestamp("2023-01-01", tz="UTC") + pd.Timedelta(minutes=minutes)
    end = first + pd.Timedelta(days=days)
    origins = list_origins(spec_of(zone="Europe/Berlin"), first.isoformat(), end.isoformat(), every, NOW)
    assert origins[0] == first
    assert all(before < after for before, after in itertools.pairwise(origins))
    assert origins[-1] <= end
