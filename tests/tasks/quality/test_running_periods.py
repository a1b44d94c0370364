"""A row counts when its period is over by the as-of; until then it is held back, counted and named."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.data.time_steps import default_stamps, period_ends
from tasks.intake.examination import ValidationResult, examine
from tasks.intake.known_rows import filter_as_of
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]


def plain(reading: MakeDataset, freq: str, stamps: str | None = None, **changes: Any) -> DatasetSpec:
    source = {"kind": "parquet", "path": "t.parquet", "stamps": stamps}
    return reading(source=source, features=changes.pop("features", {"known": []}), freq=freq, **changes)


def table(times: pd.DatetimeIndex, *series: str, **more: Any) -> pd.DataFrame:
    parts = [pd.DataFrame({"sku": name, "hour": times, "sold": np.arange(len(times)) + 1.0} | more) for name in series]
    return pd.concat(parts, ignore_index=True)


def night(frame: pd.DataFrame, dataset: DatasetSpec, as_of: str) -> tuple[ValidationResult, pd.DataFrame]:
    """The validated night as of a time in UTC, and its raw table."""
    moment = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    canonical = to_canonical_columns(pa.Table.from_pandas(frame, preserve_index=False), dataset)
    raw = filter_as_of(canonical, dataset, moment).to_pandas()
    return examine(raw, dataset, moment), raw


@pytest.mark.parametrize(
    ("freq", "stamps", "first", "as_of", "cutoff", "held"),
    [
        ("D", None, "2024-07-01", "2024-07-18T03:00", "2024-07-17", 1),
        ("D", None, "2024-07-01", "2024-07-18", "2024-07-17", 0),
        ("D", "end", "2024-07-01", "2024-07-18T03:00", "2024-07-17", 1),
        ("h", None, "2024-07-01", "2024-07-01T06:30", "2024-07-01T05:00", 1),
        ("h", None, "2024-07-01", "2024-07-01T06:00", "2024-07-01T05:00", 0),
        ("h", "end", "2024-07-01", "2024-07-01T06:00", "2024-07-01T06:00", 0),
        ("h", "end", "2024-07-01", "2024-07-01T06:30", "2024-07-01T06:00", 1),
        ("B", None, "2024-07-01", "2024-07-05T18:00", "2024-07-04", 1),
        ("B", None, "2024-07-01", "2024-07-06", "2024-07-05", 0),
        ("W-MON", None, "2024-06-03", "2024-07-03", "2024-06-24", 1),
        ("W-SUN", "end", "2024-06-02", "2024-07-03", "2024-06-30", 1),
        ("2W-MON", None, "2024-05-06", "2024-07-03", "2024-06-17", 1),
        ("MS", None, "2023-01-01", "2024-07-10", "2024-06-01", 1),
        ("ME", None, "2023-01-31", "2024-07-10", "2024-06-30", 1),
        ("ME", None, "2023-01-31", "2024-07-31T12:00", "2024-06-30", 1),
        ("ME", None, "2023-01-31", "2024-08-01", "2024-07-31", 0),
        ("QS", None, "2022-01-01", "2024-08-10", "2024-04-01", 1),
        ("YE", None, "2015-12-31", "2023-08-10", "2022-12-31", 1),
    ],
)
def test_cutoff_is_the_last_period_that_is_over(  # noqa: PLR0917
    reading: MakeDataset, freq: str, stamps: str | None, first: str, as_of: str, cutoff: str, held: int
) -> None:
    times = pd.date_range(first, periods=40, freq=freq, tz="UTC").as_unit("us")
    result, raw = night(table(times, "a", "b"), plain(reading, freq, stamps), as_of)
    assert result.stopping == ()
    assert result.cutoff == pd.Timestamp(cutoff, tz="UTC")
    assert result.health is not None
    assert (result.health.held_back, result.health.known_ahead) == (2 * held, 0)
    assert result.health.read == result.health.used + 2 * held == len(raw)
    assert raw.loc[raw["ds"] > result.cutoff, "y"].isna().all()
    assert len(result.notes) == held


def test_billing_month_runs_until_the_next_14th(reading: MakeDataset) -> None:
    times = pd.date_range("2023-01-01", periods=24, freq="MS", tz="UTC").as_unit("us") + pd.Timedelta(days=13)
    dataset = plain(reading, "MS")
    assert night(table(times, "a"), dataset, "2024-07-13")[0].cutoff == pd.Timestamp("2024-05-14", tz="UTC")
    assert night(table(times, "a"), dataset, "2024-07-14")[0].cutoff == pd.Timestamp("2024-06-14", tz="UTC")


def test_note_names_rows_stamps_series_and_setting(reading: MakeDataset) -> None:
    times = pd.date_range("2024-07-01", periods=30, tz="UTC").as_unit("us")
    result, _ = night(table(times, "a", "b"), plain(reading, "D"), "2024-07-18T03:00")
    assert result.findings == ()
    assert result.notes == (
        "2 rows of hour 2024-07-18 held back, because the period is not over at the as-of 2024-07-18 03:00: series "
        "'a', 'b'. A stamp is the begin of its period (source.stamps)",
    )


def test_a_date_runs_until_midnight_of_the_zone(reading: MakeDataset) -> None:
    times = pd.date_range("2024-07-01", periods=30, tz="UTC").as_unit("us")
    dataset = plain(reading, "D", zone="America/New_York")
    assert night(table(times, "a"), dataset, "2024-07-18T03:59")[0].cutoff == pd.Timestamp("2024-07-16", tz="UTC")
    assert night(table(times, "a"), dataset, "2024-07-18T04:00")[0].cutoff == pd.Timestamp("2024-07-17", tz="UTC")


def test_row_of_today_keeps_its_known_covariates_and_is_the_first_step_ahead(
    reading: MakeDataset,
) -> None:
    times = pd.date_range("2024-07-01", periods=24, tz="UTC").as_unit("us")
    dataset = plain(reading, "D", features={"known": ["price"], "observed": ["visits"]})
    result, raw = night(table(times, "a", price=2.0, visits=9.0), dataset, "2024-07-18T03:00")
    today = raw[raw["ds"] == pd.Timestamp("2024-07-18", tz="UTC")].iloc[0]
    assert today["price"] == 2.0
    assert np.isnan(today["y"])
    assert np.isnan(today["visits"])
    assert result.clean is not None
    ahead = result.clean[result.clean["ds"] > result.cutoff]
    assert ahead["ds"].dt.day.tolist() == [18, 19, 20]
    assert ahead["price"].tolist() == [2.0, 2.0, 2.0]
    assert result.health is not None
    assert (result.health.held_back, result.health.used, result.health.known_ahead) == (1, 17, 3)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    freq=st.sampled_from(["h", "30min", "D", "2D", "B", "W-TUE", "2W", "MS", "ME", "QS", "QE", "YS"]),
    stamps=st.sampled_from([None, "begin", "end"]),
    back=st.floats(-3, 8),
    dropped=st.sets(st.integers(0, 39), max_size=8),
    bad=st.sets(st.integers(0, 39), max_size=3),
)
def test_no_row_is_used_whose_period_ends_after_the_as_of(  # noqa: PLR0917
    reading: MakeDataset,
    promise: Callable[..., Any],
    freq: str,
    stamps: Any,
    back: float,
    dropped: set[int],
    bad: set[int],
) -> None:
    times = pd.date_range("2020-02-03", periods=40, freq=freq, tz="UTC").as_unit("us")
    as_of = (times[-1] - back * (times[-1] - times[-2])).floor("s").tz_localize(None).isoformat()
    frame = table(times, "a", "b").drop(index=sorted(dropped))
    frame.loc[frame.index.isin(bad), "sold"] = np.inf
    covariates = {"price": 1.0, "visits": 1.0, "town": "Bonn", "returned": 0.0}
    dataset = plain(reading, freq, stamps, contract=promise(row_faults="warning"))
    result, raw = night(frame.assign(**covariates), dataset, as_of)
    if result.clean is None or result.health is None:
        return
    moment = pd.Timestamp(as_of, tz="UTC")
    known = result.clean[result.clean["y"].notna()]
    assert (period_ends(known["ds"], freq, stamps or default_stamps(freq)) <= moment).all()
    health = result.health
    assert health.read == health.used + health.quarantined + health.held_back
    assert health.read + health.known_ahead == len(raw)
    over = frame[
        (period_ends(frame["hour"], freq, stamps or default_stamps(freq)) <= moment) & np.isfinite(frame["sold"])
    ]
    assert len(known) == len(over)
