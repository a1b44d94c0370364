"""Seasons, lookbacks, and features of the wall clock."""

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import SpecError
from models.data.calendar import calendar_features, default_lookback, seasons, steps_a_day
from models.data.features import FeatureSpec

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("min", (1440, 10080)),
        ("15min", (96, 672)),
        ("30min", (48, 336)),
        ("h", (24, 168)),
        ("2h", (12, 84)),
        ("D", (7,)),
        ("B", (5,)),
        ("W-MON", (52,)),
        ("MS", (12,)),
        ("ME", (12,)),
        ("2MS", (6,)),
        ("QS", (4,)),
        ("QE-DEC", (4,)),
        ("YS", (1,)),
        ("YE", (1,)),
        ("24h", (7,)),
        ("2W", (26,)),
        ("BMS", (12,)),  # business months are months, not business days
        ("BQE", (4,)),
        ("WOM-1MON", (12,)),  # so is the first Monday of each
        ("C", (5,)),
    ],
)
def test_seasons_of_a_frequency(freq: str, expected: tuple[int, ...]) -> None:
    assert seasons(freq) == expected


@pytest.mark.parametrize(
    ("freq", "horizon", "expected"),
    [
        ("BMS", 1, 36),
        ("h", 24, 168),
        ("30min", 48, 336),
        ("h", 100, 200),
        ("D", 7, 56),
        ("B", 5, 60),
        ("MS", 30, 60),
        ("YE", 1, 8),
    ],
)
def test_default_lookback_covers_a_season_and_two_horizons(freq: str, horizon: int, expected: int) -> None:
    assert default_lookback(freq, horizon) == expected


def features_at(time: str, word: str, freq: str = "h", zone: str = NEW_YORK) -> list[float]:
    times = pd.DatetimeIndex([pd.Timestamp(time, tz="UTC")])
    return calendar_features(times, (word,), freq, zone)[0].round(6).tolist()


@pytest.mark.parametrize(
    ("freq", "expected"), [("h", 24), ("30min", 48), ("24h", 1), ("168h", 1), ("D", 1), ("B", 1), ("MS", 1)]
)
def test_steps_a_day_of_a_frequency(freq: str, expected: int) -> None:
    assert steps_a_day(freq) == expected


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2013-03-10", [0, 1, *range(3, 24)]),  # 02:00 is skipped
        ("2013-11-03", [0, 1, 1, *range(2, 24)]),  # 01:00 occurs twice
        ("2013-06-01", list(range(24))),
    ],
)
def test_hours_of_days_with_a_clock_change_are_wall_clock_hours(day: str, hours: list[int]) -> None:
    times = pd.date_range(day, periods=len(hours), freq="h", tz=NEW_YORK).tz_convert("UTC")
    angles = 2 * np.pi * np.array(hours) / 24
    features = calendar_features(times, ("hour",), "h", NEW_YORK)[:, :2]
    np.testing.assert_allclose(features, np.stack([np.sin(angles), np.cos(angles)], axis=1), atol=1e-6)


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Asia/Tokyo", "Pacific/Kiritimati"])
def test_daily_timestamp_at_midnight_utc_is_a_date_in_every_zone(zone: str) -> None:
    monday = features_at("2024-01-01", "dayofweek", "D", "UTC")
    assert features_at("2024-01-01", "dayofweek", "D", zone) == monday


def test_hour_is_wall_clock_hour_in_summer_and_winter() -> None:
    midnight = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert features_at("2013-07-01 04:00", "hour") == midnight
    assert features_at("2013-12-01 05:00", "hour") == midnight
    assert features_at("2013-12-01 04:00", "hour") != midnight


@pytest.mark.parametrize(
    ("time", "freq", "expected"),
    [
        ("2013-11-28 04:00", "h", 0.0),  # still Wednesday evening in New York
        ("2013-11-28 05:00", "h", 1.0),
        ("2013-11-29 04:00", "h", 1.0),
        ("2013-11-29 05:00", "h", 0.0),
        ("2013-11-28 00:00", "D", 1.0),  # dates are not converted
        ("2013-11-27 00:00", "D", 0.0),
        ("2013-11-28 05:00", "D", 1.0),  # days that begin at local midnight
    ],
)
def test_holiday_is_a_local_day(time: str, freq: str, expected: float) -> None:
    assert features_at(time, "holidays:US", freq) == [expected]


def test_subdivision_has_its_own_holidays() -> None:
    assert features_at("2024-04-15 12:00", "holidays:US-MA") == [1.0]
    assert features_at("2024-04-15 12:00", "holidays:US-NY") == [0.0]


def test_unknown_country_is_named_in_the_error() -> None:
    with pytest.raises(SpecError, match="holidays:XX"):
        features_at("2024-01-01", "holidays:XX")


def test_calendar_features_are_periodic() -> None:
    times = pd.date_range("2024-01-01", periods=24 * 8, freq="h", tz="UTC")
    week = calendar_features(times, ("minute", "hour", "dayofweek"), "h", "UTC")
    np.testing.assert_allclose(week[:24], week[7 * 24 :], atol=1e-6)
    assert not np.allclose(week[:24], week[24:48])


def test_known_covariates_are_columns_or_calendar_features() -> None:
    spec = FeatureSpec(known=("scheduled", "hour", "holidays:US"))
    assert spec.known_columns == ("scheduled",)
    assert spec.calendar("h") == ("hour", "holidays:US")
    assert FeatureSpec().calendar("h") == ("hour", "dayofweek")
    assert FeatureSpec(known=()).calendar("h") == ()
