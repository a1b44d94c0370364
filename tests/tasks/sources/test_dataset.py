"""Times of a dataset: the zone of the source, offsets, formats, and types of Parquet."""

from collections.abc import Callable
from datetime import date, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.sources.dataset import DatasetSpec

MakeSpec = Callable[..., DatasetSpec]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2024-03-01T12:00:00Z", "2024-03-01 12:00"),
        ("2024-03-01 12:00", "2024-03-01 11:00"),
        ("2024-03-01T12:00:00+02:00", "2024-03-01 10:00"),
        ("2024-03-01 12:00:00 -0500", "2024-03-01 17:00"),
        ("2024-03-01T12+02", "2024-03-01 10:00"),
        ("20240301T120000", "2024-03-01 11:00"),
        ("2024-07-01 12:00:00.5", "2024-07-01 10:00:00.5"),
        ("2024-03-31 02:30", None),  # the hour that Berlin skips
        ("2024-10-27 02:30", None),  # the hour that Berlin has twice
        ("2024-10-27 02:30+02:00", "2024-10-27 00:30"),
        ("2024-02-30", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("20240301.5", None),
    ],
)
def test_text_is_parsed_to_one_instant_or_nat(reading: MakeSpec, written: str | None, read: str | None) -> None:
    spec = reading(source={"kind": "csv", "path": "s.csv", "timezone": "Europe/Berlin"})
    (time,) = spec.parse_times(pd.Series([written], dtype="str"))
    assert time is pd.NaT if read is None else time == pd.Timestamp(read, tz="UTC")


def test_offsets_and_naive_times_are_parsed_in_one_column(reading: MakeSpec) -> None:
    spec = reading(source={"kind": "csv", "path": "s.csv", "timezone": "America/New_York"})
    written = ["2013-11-03T01:30:00-04:00", "2013-11-03T01:30:00-05:00", "2013-11-03 00:30"]
    assert spec.parse_times(pd.Series(written, dtype="str")).tolist() == [
        pd.Timestamp("2013-11-03 05:30", tz="UTC"),
        pd.Timestamp("2013-11-03 06:30", tz="UTC"),
        pd.Timestamp("2013-11-03 04:30", tz="UTC"),
    ]


def test_day_first_and_month_first_are_not_mixed(reading: MakeSpec) -> None:
    spec = reading(freq="D")
    days = spec.parse_times(pd.Series(["13/02/2013", "01/02/2013", "02/13/2013"], dtype="str"))
    assert [None if day is pd.NaT else day.strftime("%d %b") for day in days] == ["13 Feb", "01 Feb", None]


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pd.Series([date(2024, 3, 1), None]), ["2024-03-01", None]),
        (pd.Series(pd.to_datetime(["2024-03-01"]).as_unit("s")), ["2024-03-01"]),
        (pd.Series(pd.to_datetime(["2024-03-01"]).tz_localize("Asia/Tokyo")), ["2024-02-29 15:00"]),
        (pd.Series([20240301, 1709251200]), [None, None]),  # a number is not a time
        (pd.Series([True]), [None]),
        (pd.Series([1.5]), [None]),
        (pd.Series([b"2024-03-01"], dtype=object), [None]),
    ],
)
def test_typed_times_are_converted_and_numbers_are_not(
    reading: MakeSpec, values: pd.Series, read: list[str | None]
) -> None:
    times = reading().parse_times(values)
    assert str(times.dtype) == "datetime64[us, UTC]"
    assert [None if time is pd.NaT else time for time in times] == [
        text and pd.Timestamp(text, tz="UTC") for text in read
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)), min_size=1, max_size=6),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_instant_with_offset_is_read_back_in_every_zone(reading: MakeSpec, moments: list[datetime], zone: str) -> None:
    instants = [pd.Timestamp(moment, tz="UTC").floor("us") for moment in moments]
    written = [instant.tz_convert(zone).isoformat() for instant in instants]
    assert reading().parse_times(pd.Series(written, dtype="str")).tolist() == instants
