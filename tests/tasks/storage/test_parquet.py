"""Parquet files of the store: parts, row groups and the contract of each part."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import ContractBroken
from tasks.storage.parquet import count_rows
from tasks.storage.store import Store

DAY = pd.Timestamp("2024-03-01", tz="UTC")


def part(name: str, y: float | None = 1.0) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": [name, name], "ds": [DAY, DAY + pd.Timedelta("1D")], "y": [y, 2.0]})


def test_table_in_parts_reads_back_whole_and_by_part(store: Store) -> None:
    stored = store.put_parts(iter([part("a"), part("b")]), "clean")
    assert stored.rows == 4
    pd.testing.assert_frame_equal(
        store.get(stored), pd.concat([part("a"), part("b")], ignore_index=True), check_dtype=False
    )
    assert [group["unique_id"].to_pylist() for group in store.row_groups(stored, ["unique_id"])] == [
        ["a", "a"],
        ["b", "b"],
    ]


def test_same_parts_give_the_same_file(store: Store) -> None:
    assert store.put_parts([part("a"), part("b")], "clean") == store.put_parts([part("a"), part("b")], "clean")


def test_part_that_breaks_the_contract_stores_nothing(store: Store) -> None:
    with pytest.raises(ContractBroken, match="1 rows repeat a key"):
        store.put_parts([part("a"), pd.concat([part("b"), part("b").iloc[:1]])], "clean")
    assert store.list_files("artifacts") == []


def test_no_part_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="no part of the clean table was written"):
        store.put_parts([], "clean")


def test_keys_are_compared_whatever_their_order(store: Store) -> None:
    shuffled = pd.concat([part("b"), part("a")]).iloc[[3, 0, 2, 1]]
    assert store.put(shuffled, "clean").rows == 4
    with pytest.raises(ContractBroken, match="2 rows repeat a key"):
        store.put(pa.Table.from_pandas(pd.concat([shuffled, part("a")]), preserve_index=False), "clean")


@pytest.mark.parametrize("decode", [True, False])
def test_rows_are_counted_with_and_without_their_pages(tmp_path: Path, decode: bool) -> None:
    pq.write_table(pa.table({"y": [1.0, 2.0, 3.0]}), tmp_path / "table.parquet", row_group_size=2)
    assert count_rows(tmp_path / "table.parquet", decode=decode) == 3
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    with pytest.raises(pa.ArrowInvalid):
        count_rows(tmp_path / "table.parquet", decode=decode)
