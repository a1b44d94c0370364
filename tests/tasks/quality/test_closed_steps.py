"""Closed steps do not count as gaps, the cutoff moves over those that have passed, and they are named."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from models.data.closed_times import find_closed_times
from models.data.panel_table import PanelTable
from tasks.intake.examination import ValidationResult, examine
from tasks.intake.known_rows import filter_as_of
from tasks.quality.closed_steps import describe_closed
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]
FIRST = "2024-01-01"  # a Monday


def shop(reading: MakeDataset, freq: str = "D", **changes: Any) -> DatasetSpec:
    source = {"kind": "parquet", "path": "t.parquet"}
    return reading(source=source, freq=freq, features=changes.pop("features", {"known": []}), **changes)


def days(count: int, *names: str, closed: tuple[int, ...] = (6,), **more: Any) -> pd.DataFrame:
    times = pd.date_range(FIRST, periods=count, tz="UTC").as_unit("us")
    times = times[~times.dayofweek.isin(closed)]
    parts = [pd.DataFrame({"sku": name, "hour": times, "sold": np.arange(len(times)) + 1.0} | more) for name in names]
    return pd.concat(parts, ignore_index=True)


def night(frame: pd.DataFrame, dataset: DatasetSpec, as_of: str) -> ValidationResult:
    moment = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    canonical = to_canonical_columns(pa.Table.from_pandas(frame, preserve_index=False), dataset)
    return examine(filter_as_of(canonical, dataset, moment).to_pandas(), dataset, moment)


def test_days_without_any_row_are_closed_and_not_gaps(reading: MakeDataset) -> None:
    frame = days(140, "a", "b").drop(index=[3, 10])
    result = night(frame, shop(reading), "2024-05-19")
    assert result.health is not None
    assert (result.health.gaps, result.health.closed) == (2, ("sun",))
    assert result.findings == ()
    assert result.notes == (
        "no rows on Sundays: closed? Such steps do not count as gaps and are not forecast. If they are open, write "
        "cleaning: {closed: []}",
    )


@pytest.mark.parametrize(
    ("as_of", "cutoff"),
    [("2024-05-19", "2024-05-18"), ("2024-05-19T12:00", "2024-05-18"), ("2024-05-20", "2024-05-19"),
     ("2024-05-20T09:00", "2024-05-19"), ("2024-05-24", "2024-05-19")],
)  # fmt: skip
def test_cutoff_moves_over_a_sunday_that_has_passed(reading: MakeDataset, as_of: str, cutoff: str) -> None:
    frame = days(139, "a")  # until Saturday, 18 May
    result = night(frame, shop(reading), as_of)
    assert result.cutoff == pd.Timestamp(cutoff, tz="UTC")
    assert result.clean is not None
    assert result.clean["ds"].max() == result.cutoff


def test_open_setting_makes_gaps_of_them(reading: MakeDataset) -> None:
    result = night(days(140, "a"), shop(reading, cleaning={"closed": ()}), "2024-05-20")
    assert result.health is not None
    assert (result.health.gaps, result.health.closed, result.notes) == (19, (), ())
    assert result.cutoff == pd.Timestamp("2024-05-18", tz="UTC")


def test_zero_for_missing_rows_means_open(reading: MakeDataset) -> None:
    result = night(days(140, "a"), shop(reading, cleaning={"fill": {"y": "zero"}}), "2024-05-20")
    assert result.health is not None
    assert (result.health.gaps, result.health.closed) == (0, ())


def test_given_days_apply_to_a_short_history(reading: MakeDataset) -> None:
    result = night(days(20, "a"), shop(reading, cleaning={"closed": ("sun",)}), "2024-01-21")
    assert result.health is not None
    assert (result.health.gaps, result.health.closed) == (0, ("sun",))
    assert result.notes == ("closed as cleaning.closed says, and not forecast: on Sundays",)


def test_plan_without_closed_days_is_complete(reading: MakeDataset) -> None:
    frame = days(150, "a", price=2.0, visits=1.0)
    dataset = shop(reading, features={"known": ["price"], "observed": ["visits"]}, horizon=7)
    result = night(frame, dataset, "2024-05-16")
    assert (result.stopping, result.findings) == ((), ())
    assert result.health is not None
    assert result.health.ended == ()


def test_series_with_days_of_its_own_is_named(reading: MakeDataset) -> None:
    frame = pd.concat([days(140, "a"), days(140, "b", closed=(0, 6))])
    result = night(frame, shop(reading), "2024-05-19")
    assert result.health is not None
    assert (result.health.gaps, result.health.closed) == (0, ("sun",))
    assert result.notes[1].startswith("no rows on Mondays of 'b': closed?")


def test_many_series_are_counted_in_the_note(reading: MakeDataset) -> None:
    days_of = [days(140, f"s{number}", closed=(number % 6,)) for number in range(9)]
    frame = pd.concat(days_of).rename(columns={"sku": "unique_id", "hour": "ds", "sold": "y"})
    whole = pd.MultiIndex.from_product([frame["unique_id"].unique(), pd.date_range(FIRST, periods=140, tz="UTC")])
    clean = frame.set_index(["unique_id", "ds"]).reindex(whole, fill_value=None).reset_index(names=["unique_id", "ds"])
    (note,) = describe_closed(find_closed_times(PanelTable.from_frame(clean), "D", "UTC", "auto"), shop(reading))
    assert "on Mondays of 's0'; on Tuesdays of 's1'" in note
    assert "and of 5 more series" in note


@pytest.mark.parametrize("closed", [["holidays"], ["sun", "9"], "never", [""]])
def test_wrong_setting_is_refused(closed: Any) -> None:
    with pytest.raises(ValidationError, match=r"is not a closed time|Input should be"):
        CleaningSpec(closed=closed)
