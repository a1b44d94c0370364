"""The regular grid: its phase, its gaps, where series begin and end, and what is known over the horizon."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import SpecError
from models.data.time_steps import build_grid
from tasks.quality import time_grid
from tasks.quality.outlying_times import check_outlying_times
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]


def at(*times: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(times), utc=True, errors="coerce", format="ISO8601")).astype(
        "datetime64[us, UTC]"
    )


def rows(*values: tuple[str, str, float | None, float | None], **more: Any) -> pd.DataFrame:
    """(unique_id, ds, y, price) a row; visits and town as given or plain."""
    names, times, targets, prices = (list(column) for column in zip(*values, strict=True))
    count = len(values)
    columns = {"row": range(count), "unique_id": names, "ds": at(*times), "y": targets, "price": prices}
    return pd.DataFrame({**columns, "visits": 1.0, "town": "Bonn"} | more)


@pytest.mark.parametrize(
    ("times", "freq", "extra", "grid"),
    [
        ("2024-03-01 00:00, 2024-03-01 02:00", "h", 1, "03-01 00:00, 03-01 01:00, 03-01 02:00, 03-01 03:00"),
        ("2024-03-01 00:30, 2024-03-01 02:30, 2024-03-01 01:00", "h", 0, "03-01 00:30, 03-01 01:30, 03-01 02:30"),
        ("2024-03-01, 2024-03-03", "D", 1, "03-01 00:00, 03-02 00:00, 03-03 00:00, 03-04 00:00"),
        ("2024-03-01 05:00, 2024-03-02 05:00", "D", 0, "03-01 05:00, 03-02 05:00"),
        ("2024-02-29, 2024-04-30", "ME", 1, "02-29 00:00, 03-31 00:00, 04-30 00:00, 05-31 00:00"),
        ("2024-03-04, 2024-03-18", "W-MON", 0, "03-04 00:00, 03-11 00:00, 03-18 00:00"),
        ("2024-03-01, 2024-03-05", "B", 0, "03-01 00:00, 03-04 00:00, 03-05 00:00"),
        ("2024-02-28 23:50", "15min", 1, "02-28 23:50, 02-29 00:05"),
    ],
)
def test_grid_has_the_phase_of_most_times(times: str, freq: str, extra: int, grid: str) -> None:
    result = build_grid(at(*times.split(", ")), freq, extra)
    assert ", ".join(result.strftime("%m-%d %H:%M")) == grid


@settings(max_examples=60)
@given(
    steps=st.sets(st.integers(0, 60), min_size=1, max_size=20),
    freq=st.sampled_from(["h", "15min", "6h", "D", "W-MON", "MS", "B"]),
    extra=st.integers(0, 4),
)
def test_grid_is_recovered_from_times_on_it(steps: set[int], freq: str, extra: int) -> None:
    whole = pd.date_range("2023-12-28", periods=61, freq=freq, tz="UTC").as_unit("us")
    times = whole[sorted(steps)]
    grid = build_grid(pd.Series(times), freq, extra)
    assert times.isin(grid).all()
    assert len(grid) == max(steps) - min(steps) + 1 + extra
    assert grid.is_unique


def test_time_between_two_steps_is_reported(reading: MakeDataset) -> None:
    frame = rows(
        *((("a", f"2024-03-01 0{hour}:00", 1.0, 1.0)) for hour in range(5)), ("a", "2024-03-01 03:20", 1.0, 1.0)
    )
    (violation,) = time_grid.check_alignment(frame, build_grid(frame["ds"], "h", 0), reading())
    assert violation.rows == [5]
    assert "lies between two steps of freq 'h' (steps are at Fri 00:00, Fri 01:00 …)" in violation.reason


def test_two_rows_off_one_grid_give_one_violation(reading: MakeDataset) -> None:
    frame = rows(("a", "2024-03-01 00:00", 1.0, 1.0), ("a", "2024-03-01 00:30", 1.0, 1.0))
    (violation,) = time_grid.check_alignment(frame, build_grid(frame["ds"], "h", 0), reading())
    assert violation.rows == [1]
    single = frame.head(1)
    assert time_grid.check_alignment(single, build_grid(single["ds"], "h", 0), reading()) == []


def test_time_two_thousand_years_early_is_reported_before_a_grid_is_built(reading: MakeDataset) -> None:
    frame = rows(("a", "0024-03-01 00:00", 1.0, 1.0), ("a", "2024-03-01 00:00", 1.0, 1.0))
    (violation,) = check_outlying_times(frame, reading(freq="min"))
    assert (violation.rows, violation.rule) == ([0], "ds is near the others")
    assert check_outlying_times(frame, reading(freq="D")) == []
    assert check_outlying_times(frame.assign(ds=at("soon", "later")), reading(freq="min")) == []


def test_gaps_become_missing_values_and_series_begin_with_their_first_row(reading: MakeDataset) -> None:
    frame = rows(
        ("b", "2024-03-01 02:00", 5.0, 1.0),
        ("a", "2024-03-01 03:00", 4.0, 1.0),
        ("a", "2024-03-01 00:00", 1.0, 1.0),
        ("b", "2024-03-01 03:00", 6.0, 1.0),
    )
    dataset = reading(features={"known": [], "observed": ["visits"]})
    full = time_grid.reindex_to_grid(
        frame, build_grid(frame["ds"], "h", 3), pd.Timestamp("2024-03-01 03:00", tz="UTC"), dataset
    )
    assert full["unique_id"].tolist() == ["a"] * 4 + ["b"] * 2
    assert full["ds"].dt.hour.tolist() == [0, 1, 2, 3, 2, 3]
    assert [None if pd.isna(y) else y for y in full["y"]] == [1.0, None, None, 4.0, 5.0, 6.0]
    assert full.columns.tolist() == ["unique_id", "ds", "y", "visits"]


CUTOFF = pd.Timestamp("2024-03-01 02:00", tz="UTC")
ENDS = (
    ("a", "2024-03-01 00:00", 1.0, 1.0),
    ("a", "2024-03-01 02:00", 2.0, 1.0),
    ("a", "2024-03-01 03:00", None, 9.0),
    ("a", "2024-03-01 04:00", None, 9.0),
    ("a", "2024-03-01 05:00", None, 9.0),
    ("gone", "2024-03-01 00:00", 3.0, 1.0),
    ("gone", "2024-03-01 01:00", 4.0, 1.0),
    ("new", "2024-03-01 04:00", None, 2.0),
)


def test_horizon_is_appended_except_for_ended_series(reading: MakeDataset) -> None:
    frame = rows(*ENDS)
    full = time_grid.reindex_to_grid(frame, build_grid(frame["ds"], "h", 3), CUTOFF, reading())
    assert full.groupby("unique_id")["ds"].max().dt.hour.to_dict() == {"a": 5, "gone": 2}
    assert time_grid.ended_series(frame, CUTOFF, reading()) == ["gone"]
    assert full.loc[full["ds"] > CUTOFF, "price"].tolist() == [9.0, 9.0, 9.0]
    assert full.loc[full["ds"] > CUTOFF, "y"].isna().all()


def test_static_value_is_the_newest_in_any_row_order(reading: MakeDataset) -> None:
    frame = rows(*ENDS[:5]).assign(town=["Bonn", "Köln", None, None, None])
    for rows_ in (frame, frame.iloc[::-1]):
        full = time_grid.reindex_to_grid(rows_, build_grid(rows_["ds"], "h", 3), CUTOFF, reading())
        assert set(full["town"]) == {"Köln"}


def test_grid_that_does_not_fit_the_memory_is_refused(reading: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_grid, "memory_limit", lambda: 10_000)
    frame = rows(("a", "2024-03-01 00:00", 1.0, 1.0), ("a", "2024-03-02 00:00", 1.0, 1.0))
    spec, cutoff = reading(freq="s"), pd.Timestamp("2024-03-02", tz="UTC")
    grid = build_grid(frame["ds"], "s", 0)
    with pytest.raises(
        SpecError, match=r"freq 's' gives 86,404 steps \(1 series of up to 86,404\).* Set freq to the dis"
    ):
        time_grid.reindex_to_grid(frame, grid, cutoff, spec)


@pytest.mark.parametrize(("freq", "steps"), [("1ns", "86,400,000,000,000"), ("us", "86,400,000,000")])
def test_freq_that_is_far_too_fine_is_refused_before_the_grid_is_built(freq: str, steps: str) -> None:
    with pytest.raises(
        SpecError, match=rf"freq '{freq}' gives {steps} steps between 2024-03-01 .* Set freq to the dist"
    ):
        build_grid(at("2024-03-01", "2024-03-02"), freq, 0)
