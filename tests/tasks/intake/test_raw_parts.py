"""Parts of the raw table: each has all rows of its series, in the order of the source."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from tasks.intake import raw_parts
from tasks.intake.raw_parts import open_raw_parts
from tasks.sources.dataset import DatasetSpec
from tasks.storage.failures import TemporaryFolderFull
from tasks.storage.store import Store

MakeDataset = Callable[..., DatasetSpec]
PLAIN: dict[str, Any] = {"features": {"known": []}}


@pytest.fixture(autouse=True)
def four_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_parts, "partition_rows", lambda: 4)


def divided(names: list[str | None], reading: DatasetSpec, store: Store, **columns: Any) -> list[list[int]]:
    """The row numbers of each part of a raw table with these series, in row groups of three rows."""
    count = len(names)
    times = pd.date_range("2024-03-01", periods=count, freq="h", tz="UTC").as_unit("us")
    values = {"row": range(count), "unique_id": names, "ds": times, "y": 1.0} | columns
    table = pd.DataFrame(values)
    raw = store.put_parts([table.iloc[begin : begin + 3] for begin in range(0, count, 3)], "raw")
    with open_raw_parts(raw, reading, store) as parts:
        assert parts.joined().read(0)["row"].tolist() == list(range(count))
        return [parts.read(number)["row"].tolist() for number in range(len(parts))]


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        pytest.param(list("aabbbc"), [[0, 1], [2, 3, 4, 5]], id="sorted by series: ranges of rows"),
        pytest.param(list("bbbcaa"), [[4, 5], [0, 1, 2, 3]], id="series in another order"),
        pytest.param(list("abcabc"), [[0, 1, 3, 4], [2, 5]], id="sorted by time"),
        pytest.param(list("aaaaaab"), [[0, 1, 2, 3, 4, 5], [6]], id="a series is never divided"),
        pytest.param([*"bb", None, *"aab"], [[2, 3, 4], [0, 1, 5]], id="a row without a name is in the first part"),
        pytest.param(
            ["e\u0301", "b", "é", "b", "é"], [[1, 3], [0, 2, 4]], id="two spellings of one name are one series"
        ),
        pytest.param(list("abcd"), [[0, 1, 2, 3]], id="a small table is one part"),
    ],
)
def test_part_has_all_rows_of_its_series(
    names: list[str | None], parts: list[list[int]], reading: MakeDataset, store: Store
) -> None:
    assert divided(names, reading(**PLAIN), store) == parts


def test_text_is_read_as_a_whole_because_all_values_decide_its_format(reading: MakeDataset, store: Store) -> None:
    assert divided(list("aabbbc"), reading(**PLAIN), store, y=["1,5"] * 6) == [[0, 1, 2, 3, 4, 5]]


def test_only_the_columns_that_are_asked_for_are_read(reading: MakeDataset, store: Store) -> None:
    table = pd.DataFrame({"row": range(6), "unique_id": list("aabbbc"), "ds": pd.Timestamp("2024-03-01"), "y": 1.0})
    raw = store.put(table, "raw")
    with open_raw_parts(raw, reading(**PLAIN), store) as parts:
        assert parts.read(1, ["unique_id"]).columns.tolist() == ["unique_id"]


def test_full_folder_for_temporary_files_is_named_with_the_way_out(
    reading: MakeDataset, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    table = pd.DataFrame({"row": range(6), "unique_id": list("abcabc"), "ds": pd.Timestamp("2024-03-01"), "y": 1.0})
    raw = store.put(table, "raw")
    monkeypatch.setattr(raw_parts.pq.ParquetWriter, "write_table", refuse)
    full = pytest.raises(TemporaryFolderFull, match=r"whose disk is full; they need up to [\d,]+ bytes.*set TMPDIR")
    with full, open_raw_parts(raw, reading(**PLAIN), store):
        pass
