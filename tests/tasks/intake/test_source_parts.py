"""A large source is stored part by part: the same raw table as from the whole source."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ColumnsDiffer, SourceUnreadable
from tasks.ingestion import known_table
from tasks.intake import source_parts
from tasks.intake.source_parts import store_in_parts
from tasks.sources import limits
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
MakeDataset = Callable[..., DatasetSpec]
MakeSales = Callable[..., pd.DataFrame]


@pytest.fixture(autouse=True)
def seven_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_parts, "partition_rows", lambda: 7)
    monkeypatch.setattr(source_parts, "BATCH_ROWS", 7)


def write(frame: pd.DataFrame, reading: DatasetSpec) -> None:
    frame.to_parquet(reading.source.path, index=False, row_group_size=10)


def test_parts_give_the_raw_table_of_the_whole_source(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    dataset = reading()
    write(sales(hours=40, ahead=20), dataset)
    raw = store_in_parts(dataset, AS_OF, store)
    assert raw is not None
    whole = known_table(dataset, AS_OF, store)
    pd.testing.assert_frame_equal(store.get(raw), whole.to_pandas())
    assert whole.num_rows == 2 * (30 + 4)  # hours that are over, and those from the as-of to the end of the horizon


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sold": "5"}, "text"),
        ({"hour": "2024-03-01 05:00"}, "times in text"),
        ({"sku": "101.0"}, "names that depend on all names of the column"),
    ],
)
def test_source_that_needs_all_values_is_read_as_a_whole(
    changes: dict[str, Any], reason: str, reading: MakeDataset, sales: MakeSales, store: Store
) -> None:
    dataset = reading()
    write(sales().assign(**changes), dataset)
    assert store_in_parts(dataset, AS_OF, store) is None, reason


def test_small_source_is_read_as_a_whole(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    dataset = reading()
    write(sales(hours=2, ahead=1), dataset)
    assert store_in_parts(dataset, AS_OF, store) is None


def test_wrong_column_is_named_before_a_row_is_read(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    dataset = reading(features={"known": ["unique_id"]})
    write(sales().assign(unique_id=1.0), dataset)
    with pytest.raises(ColumnsDiffer, match="reserved name"):
        store_in_parts(dataset, AS_OF, store)


def test_source_of_the_future_is_an_error_and_stores_nothing(
    reading: MakeDataset, sales: MakeSales, store: Store
) -> None:
    dataset = reading(features={"known": []})
    write(sales(start="2025-03-01"), dataset)
    reason = (
        "none of its rows was known at 2024-03-02 06:00 UTC; its times begin at 2025-03-01 00:00: give a later as-of"
    )
    with pytest.raises(SourceUnreadable, match=reason):
        store_in_parts(dataset, AS_OF, store)
    assert store.list_files("artifacts") == []


def test_source_larger_than_the_memory_for_a_whole_table_is_read_in_parts(
    reading: MakeDataset, sales: MakeSales, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = reading()
    write(sales(), dataset)
    monkeypatch.setattr(limits, "MAX_VALUES", 100)
    monkeypatch.setattr(limits, "MAX_BYTES", 2_000)
    with pytest.raises(SourceUnreadable, match="at most 100 are read"):
        known_table(dataset, AS_OF, store)
    assert store_in_parts(dataset, AS_OF, store) is not None
    monkeypatch.setattr(limits, "MAX_VALUES_IN_PARTS", 300)
    with pytest.raises(SourceUnreadable, match=r"it holds 396 values or more, and at most 300 are read.*max_rows"):
        store_in_parts(dataset, AS_OF, store)
