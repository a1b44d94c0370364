"""Days of a place that are stored as instants in UTC are recognized by the hour that moves with the clock."""

import pandas as pd
import pytest

from tasks.sources.times.local_midnight import advise_zone, find_midnight_zones
from tasks.sources.times.timestamps import TimestampParser


def midnights(zone, freq="D", periods=400):
    return pd.Series(pd.date_range("2023-01-01", periods=periods, freq=freq, tz=zone)).dt.tz_convert("UTC")


@pytest.mark.parametrize(("zone", "freq"), [("Europe/Berlin", "D"), ("Europe/Berlin", "MS"),
     ("America/New_York", "W-SUN"),
                                            ("Australia/Lord_Howe", "D"), ("Africa/Casablanca", "D")])  # fmt: skip
def test_zone_of_midnights_is_named(zone, freq):
    times = midnights(zone, freq, 60 if freq != "D" else 400)
    assert zone in find_midnight_zones(times)
    assert "--timezone" in advise_zone(times)


@pytest.mark.parametrize("times", [
    midnights("UTC"),
    midnights("Asia/Tokyo"),  # always 15:00, which may be an hour of UTC
    midnights("Europe/Berlin").iloc[:20],  # one winter
    midnights("Europe/Berlin", "h", 4000),
    pd.Series(pd.to_datetime([], utc=True)),
])  # fmt: skip
def test_times_that_do_not_move_with_a_clock_have_no_zone(times):
    assert find_midnight_zones(times) == ()
    assert advise_zone(times) == ""


@pytest.mark.parametrize("write", [
    lambda times: times,
    lambda times: times.dt.tz_localize(None),
    lambda times: times.dt.strftime("%Y-%m-%d %H:%M"),
    lambda times: times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    lambda times: times.dt.strftime("%d.%m.%Y %H:%M"),
])  # fmt: skip
def test_midnights_in_utc_are_dates_of_their_zone(write):
    times = midnights("Europe/Berlin")
    dates = TimestampParser("Europe/Berlin", calendar_steps=True).parse(write(times))
    assert dates.tolist() == list(pd.date_range("2023-01-01", periods=400, tz="UTC"))


def test_naive_dates_stay_as_they_are_written():
    days = pd.Series(pd.date_range("2023-01-01", periods=400))
    assert (
        TimestampParser("America/New_York", calendar_steps=True).parse(days).dt.tz_localize(None).tolist()
        == days.tolist()
    )
