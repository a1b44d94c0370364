"""The cutoff of an origin is the last observation whose period is over; the first lookback must lie before."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import SpecError
from tasks.backtest.origins import CurrentTable
from tasks.results.row_counts import RowCounts
from tasks.results.steps import ValidatedTable
from tasks.storage.snapshots import Snapshot, record_snapshot
from tasks.storage.store import Store

START = pd.Timestamp("2024-03-01", tz="UTC")


def table_of(frame: pd.DataFrame, reading: Any, store: Store) -> CurrentTable:
    counts = dict.fromkeys(("read", "used", "quarantined", "known_ahead", "gaps", "series"), 0)
    validated = ValidatedTable(
        clean=store.put(frame, "clean"),
        cutoff=frame["ds"].max(),
        quarantine=None,
        findings=(),
        health=RowCounts(**counts),
    )
    return CurrentTable(validated, reading, store)


@pytest.fixture
def current(waves: Callable[..., pd.DataFrame], reading: Callable[..., Any], store: Store) -> CurrentTable:
    frame = waves(2)
    frame.loc[frame["ds"] == START + timedelta(hours=10), "y"] = np.nan
    return table_of(frame, reading(features={}), store)


def at(hours: float) -> datetime:
    return (START + timedelta(hours=hours)).to_pydatetime()


@pytest.mark.parametrize(("origin", "cutoff"), [(5, 4), (5.5, 4), (1, 0), (11, 9), (12, 11), (48, 47), (100, 47)])
def test_cutoff_is_the_last_observation_before_the_origin(current: CurrentTable, origin: float, cutoff: int) -> None:
    assert current.cutoff(at(origin)) == START + timedelta(hours=cutoff)


def test_origin_before_the_first_observation_has_no_cutoff(current: CurrentTable) -> None:
    assert current.cutoff(at(0.5)) is None


def test_first_origin_needs_one_lookback(current: CurrentTable) -> None:
    current.require_lookback(at(24), 24)
    with pytest.raises(SpecError, match=r"has 23 steps of history, .* 24 .* Give --from 2024-03-02T00:00 or later"):
        current.require_lookback(at(23), 24)
    with pytest.raises(SpecError, match=r"The whole history has 48 steps: lower windowing.lookback"):
        current.require_lookback(at(23), 480)


def test_snapshot_of_the_origin_or_of_an_earlier_night_with_its_cutoff(current: CurrentTable, store: Store) -> None:
    night = Snapshot(as_of=at(24), reading="", raw=current.clean, clean=current.clean, cutoff=at(23))
    record_snapshot(night, "shop", store)
    assert current.snapshot(at(24), store) == night
    assert current.snapshot(at(24.5), store) == night
    assert current.snapshot(at(25), store) is None
    assert current.snapshot(at(23), store) is None


def test_snapshot_whose_table_is_gone_or_lacks_a_column_is_not_used(
    current: CurrentTable, waves: Callable[..., pd.DataFrame], reading: Callable[..., Any], store: Store
) -> None:
    missing = current.clean.model_copy(update={"uri": "artifacts/clean/gone.parquet"})
    record_snapshot(Snapshot(as_of=at(24), reading="", raw=missing, clean=missing, cutoff=at(23)), "shop", store)
    assert current.snapshot(at(24), store) is None
    wider = table_of(waves(2).assign(price=1.0), reading(features={"known": ["price"]}), store)
    record_snapshot(
        Snapshot(as_of=at(24), reading="", raw=current.clean, clean=current.clean, cutoff=at(23)), "shop", store
    )
    assert wider.snapshot(at(24), store) is None
