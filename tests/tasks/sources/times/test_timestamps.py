"""One parser for every column of times: epochs, dates, formats, offsets and wall times of one series."""

from typing import Any

import pandas as pd
import pytest

from tasks.sources.times.timestamps import TimestampParser, has_offset, same_format_pattern


def parsed(parser: TimestampParser, values: list[Any], **series: Any) -> list[str | None]:
    times = parser.parse(pd.Series(values, **series))
    assert str(times.dtype) == "datetime64[us, UTC]"
    return [None if time is pd.NaT else f"{time:%Y-%m-%d %H:%M}" for time in times]


@pytest.mark.parametrize(
    ("parser", "values", "times"),
    [
        (
            TimestampParser(None),
            ["2024-03-01 12:00", "2024-03-01T12:00+02:00"],
            ["2024-03-01 12:00", "2024-03-01 10:00"],
        ),
        (TimestampParser("Europe/Berlin"), ["2024-03-01 12:00"], ["2024-03-01 11:00"]),
        (TimestampParser(None, epoch="s"), ["1709294400", "soon"], ["2024-03-01 12:00", None]),
        (TimestampParser(None, format="%d.%m.%Y %H:%M"), ["1.3.2024 12:00"], ["2024-03-01 12:00"]),
        (TimestampParser("Asia/Tokyo", format="%d.%m.%Y %H:%M"), ["1.3.2024 12:00"], ["2024-03-01 03:00"]),
        (TimestampParser(None, format="%d.%m.%Y %H:%M %z"), ["1.3.2024 12:00 +0200"], ["2024-03-01 10:00"]),
        # dates: the date that is written, or the date in the zone if the source has one
        (TimestampParser(None, calendar_steps=True), ["2024-03-01T00:00+09:00"], ["2024-03-01 00:00"]),
        (TimestampParser("UTC", calendar_steps=True), ["2024-03-01T00:00+09:00"], ["2024-02-29 15:00"]),
        (TimestampParser("Asia/Tokyo", calendar_steps=True), ["2024-02-29T15:00Z"], ["2024-03-01 00:00"]),
    ],
)
def test_text_is_parsed_by_zone_epoch_and_format(
    parser: TimestampParser, values: list[str], times: list[str | None]
) -> None:
    assert parsed(parser, values, dtype="str") == times


def test_number_is_not_a_time_without_epoch() -> None:
    assert parsed(TimestampParser(None), [1709294400, 20240301]) == [None, None]


def test_wall_time_that_occurs_twice_needs_its_series() -> None:
    berlin = TimestampParser("Europe/Berlin")
    twice = pd.Series(["2024-10-27 02:30"] * 4, dtype="str")
    ids = pd.Series(["a", "b", "a", "b"])
    assert berlin.parse(twice).isna().all()
    assert berlin.parse(twice, ids).dt.strftime("%H:%M").tolist() == ["00:30", "00:30", "01:30", "01:30"]


def test_offset_belongs_to_a_time_of_day() -> None:
    values = pd.Series(["2024-03-01", "2024-03-01T12:00Z", "2024-03-01 12:00 -05:00", None], dtype="str")
    assert has_offset(values).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "glob"),
    [
        ("2024-03-01", "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"),
        ("1:00+02:00", "[0-9]:[0-9][0-9]+[0-9][0-9]:[0-9][0-9]"),
        ("3 * 12:00Z", "[0-9] [*] [0-9][0-9]:[0-9][0-9]Z"),
        ("2024-03-01T1:00+02", "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9]:[0-9][0-9]+02"),
    ],
)
def test_format_pattern_keeps_separators_and_offset(text: str, glob: str) -> None:
    assert same_format_pattern(text).glob == glob
