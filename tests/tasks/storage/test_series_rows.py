"""Only the row groups that have a wanted series are read; the rows are those of a filter over the whole table."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import StoreDamaged
from tasks.storage.series_rows import SeriesFile, blocks_of_series, open_series_files
from tasks.storage.store import Store

HOURS = pd.date_range("2024-03-01", periods=4, freq="h", tz="UTC").as_unit("us")


def table_of(names: str) -> pa.Table:
    frame = pd.DataFrame({"unique_id": list(names), "ds": [HOURS[n % 4] for n in range(len(names))]})
    return pa.Table.from_pandas(frame.assign(y=range(len(names))), preserve_index=False)


def write(folder: Path, names: str, rows: int = 3, **options: Any) -> SeriesFile:
    pq.write_table(table_of(names), folder / "table.parquet", row_group_size=rows, **options)
    return SeriesFile(pq.ParquetFile(folder / "table.parquet"))


def test_rows_between_two_names_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, "aaabbccddd")
    assert file.between("b", "c", ["y", "unique_id", "missing"]).to_pydict() == {
        "y": [3, 4, 5, 6],
        "unique_id": ["b", "b", "c", "c"],
    }


def test_rows_of_some_names_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, "aaabbccddd")
    assert file.select({"d", "a", "x"}, ["y"]).to_pydict() == {"y": [0, 1, 2, 7, 8, 9]}
    assert file.select(set(), ["y"]).num_rows == 0


def test_groups_without_a_wanted_series_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, plain = list[int](), pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, number, **more: read.append(number) or plain(self, number, **more),
    )
    file = write(tmp_path, "aaabbccddd")
    file.between("c", "c", ["y"])
    file.select(["b"], ["y"])
    assert read == [1, 2, 1]


def test_file_without_statistics_is_read_whole(tmp_path: Path) -> None:
    file = write(tmp_path, "abab", write_statistics=False)
    assert file.between("b", "b", ["y"]).to_pydict() == {"y": [1, 3]}
    assert file.time_range() == (HOURS[0].to_pydatetime(), HOURS[-1].to_pydatetime())


def test_names_may_be_a_dictionary(tmp_path: Path) -> None:
    table = table_of("abc").set_column(0, "unique_id", pa.array(list("abc")).dictionary_encode())
    pq.write_table(table, tmp_path / "table.parquet")
    file = SeriesFile(pq.ParquetFile(tmp_path / "table.parquet"))
    assert file.names().to_pylist() == ["a", "b", "c"]
    assert file.between("b", "c", ["y"]).to_pydict() == {"y": [1, 2]}
    assert file.select(["a"], ["y"]).to_pydict() == {"y": [0]}


def test_names_and_range_of_times(tmp_path: Path) -> None:
    file = write(tmp_path, "bcab", 2)
    assert file.names().to_pylist() == ["b", "c", "a"]
    assert file.time_range() == (HOURS[0].to_pydatetime(), HOURS[-1].to_pydatetime())
    assert write(tmp_path, "").time_range() is None


@given(st.text("abcÄé😀", min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 40))
def test_blocks_have_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, names: str, group: int, rows: int
) -> None:
    file = write(tmp_path_factory.mktemp("blocks"), names, group)
    read = [file.between(first, last, ["y"])["y"].to_pylist() for first, last in blocks_of_series([file], rows)]
    assert sorted(value for block in read for value in block) == list(range(len(names)))


def test_blocks_end_with_a_row_group_that_ends_near(tmp_path: Path) -> None:
    file = write(tmp_path, "abcdefghij", rows=3)  # groups end with c, f, i and j
    assert list(blocks_of_series([file], 4)) == [("a", "c"), ("d", "f"), ("g", "j")]
    assert list(blocks_of_series([file], 20)) == [("a", "j")]
    assert list(blocks_of_series([], 4)) == []


def test_damaged_file_is_an_error(store: Store) -> None:
    artifact = store.put(pd.DataFrame({"unique_id": ["a"], "ds": HOURS[:1], "y": [1.0]}), "clean")
    path = Path(store.root) / artifact.uri
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreDamaged, match="digest"), open_series_files([artifact], store):
        pass
