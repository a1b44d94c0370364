"""Slots of the week that never have a value are closed; rare, short or dense histories are not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.closed_times import ClosedTimes, find_closed_times
from models.data.panel_table import PanelTable


def clean(days: int, freq: str = "D", closed=lambda times: times.dayofweek == 6, name: str = "a", start="2023-01-02"):
    """A series on its grid, NaN where `closed`."""
    end = pd.Timestamp(start) + pd.Timedelta(days=days)
    times = pd.date_range(start, end, freq=freq, tz="UTC", inclusive="left")
    y = np.where(closed(times), np.nan, 1.0)
    return pd.DataFrame({"unique_id": name, "ds": times.as_unit("us"), "y": y})


def find(frame: pd.DataFrame, freq: str = "D", zone: str = "UTC", setting="auto") -> ClosedTimes:
    return find_closed_times(PanelTable.from_frame(frame), freq, zone, setting)


def never(times: pd.DatetimeIndex) -> np.ndarray:
    return np.zeros(len(times), dtype=bool)


@pytest.mark.parametrize(
    ("freq", "days", "closed", "entries"),
    [
        ("D", 900, lambda times: times.dayofweek == 6, ("sun",)),
        ("D", 57, lambda times: times.dayofweek == 6, ("sun",)),
        ("D", 40, lambda times: times.dayofweek == 6, ()),
        ("D", 300, lambda times: times.dayofweek >= 5, ("sat", "sun")),
        ("D", 300, lambda times: times.dayofweek > 0, ()),  # rows of weeks at steps of days
        ("D", 300, never, ()),
        ("h", 100, lambda times: (times.hour >= 22) | (times.hour < 6), ("22-06",)),
        ("h", 100, lambda times: (times.dayofweek == 6) | (times.hour < 8), ("sun", "00-08")),
        ("h", 100, lambda times: (times.dayofweek == 5) & (times.hour >= 14), ("sat 14-24",)),
        ("h", 100, lambda times: times.hour > 0, ()),  # rows of days at steps of hours
        ("15min", 70, lambda times: times.hour < 7, ("00-07",)),
        ("W-MON", 900, never, ()),
        ("2D", 300, never, ()),
    ],
)
def test_closed_times_are_found(freq: str, days: int, closed, entries: tuple[str, ...]) -> None:
    assert find(clean(days, freq, closed), freq).common == entries


def test_hours_are_those_of_the_zone() -> None:
    frame = clean(120, "h", lambda times: times.tz_convert("Europe/Berlin").hour < 6, start="2023-02-01")
    assert find(frame, "h", "Europe/Berlin").common == ("00-06",)


@pytest.mark.parametrize("rows", [1, 650, 10_000])
def test_series_has_its_own_closed_days_and_a_new_one_follows_the_others(rows, monkeypatch) -> None:
    partitions = PanelTable.partitions
    monkeypatch.setattr(PanelTable, "partitions", lambda table: partitions(table, rows))  # some series at a time
    frame = pd.concat(
        [
            clean(300, name="a"),
            clean(300, name="b", closed=lambda times: times.dayofweek.isin([0, 6])),
            clean(20, name="new", start="2023-10-02"),
        ]
    )
    closed = find(frame)
    assert closed.common == ("sun",)
    assert closed.own == {"b": ("mon",)}


def test_one_open_series_opens_the_day_for_itself_alone() -> None:
    frame = pd.concat([clean(300, name="a"), clean(300, name="kiosk", closed=never)])
    closed = find(frame)
    assert (closed.common, closed.own) == ((), {"a": ("sun",)})
    sunday = pd.Series(pd.to_datetime(["2024-01-07", "2024-01-07", "2024-01-07", "2024-01-08"], utc=True))
    assert closed.contains(pd.Series(["a", "kiosk", "else", "a"]), sunday).tolist() == [True, False, False, False]


def test_rare_sales_are_not_closing_days() -> None:
    draw = np.random.default_rng(5)
    for share in (0.02, 0.05, 0.1):
        frame = clean(400, closed=never)
        frame["y"] = frame["y"].where((draw.random(400) < share) & (frame["ds"].dt.dayofweek != 2))
        assert find(frame).common == ()


def test_given_times_take_precedence() -> None:
    frame = clean(20)
    assert find(frame, setting=("sat",)).common == ("sat",)
    assert find(clean(900), setting=()).common == ()


def test_empty_history_has_no_closed_times() -> None:
    frame = clean(10).iloc[:0]
    assert not find(frame).contains(frame["unique_id"], frame["ds"]).any()
    assert find(clean(100).assign(y=np.nan)).common == ()


@settings(max_examples=60)
@given(density=st.floats(0.05, 1), days=st.integers(10, 600), seed=st.integers(0, 99))
def test_gaps_at_random_are_not_closed(density: float, days: int, seed: int) -> None:
    frame = clean(days, closed=never)
    frame["y"] = frame["y"].where(np.random.default_rng(seed).random(len(frame)) < density)
    assert find(frame).common == ()
