"""Forecasts of several nights are read a block of series at a time, and together are all rows."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from tasks.history.forecast_blocks import open_forecasts
from tasks.storage import series_rows
from tasks.storage.store import Store
from tasks.storage.vintages import Published

NIGHTS = [datetime(2024, 3, day, tzinfo=UTC) for day in (1, 2)]


def clean(names: str, start: datetime) -> pd.DataFrame:
    ds = pd.date_range(start, periods=2, freq="h").as_unit("us")
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": ds, "y": [1.0, 2.0], "q05": 0.5}) for name in names])


@pytest.fixture
def past(store: Store) -> list[Published]:
    files = [store.put(clean(names, night), "clean") for names, night in zip(("ab", "bc"), NIGHTS, strict=True)]
    return [Published(as_of=night, file=file) for night, file in zip(NIGHTS, files, strict=True)]


@pytest.mark.parametrize(("rows", "blocks"), [(1, [("a", "a"), ("b", "b"), ("c", "c")]), (99, [("a", "c")])])
def test_each_row_is_in_one_block(
    past: list[Published], store: Store, monkeypatch: pytest.MonkeyPatch, rows: int, blocks: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(series_rows, "BLOCK_ROWS", rows)
    with open_forecasts(past, store) as forecasts:
        assert forecasts.blocks == blocks
        tables = [forecasts.read(block, ["unique_id", "y"]) for block in blocks]
    for night, names in zip(NIGHTS, ("ab", "bc"), strict=True):
        read = pd.concat([table[pd.Timestamp(night)] for table in tables])
        assert read["unique_id"].tolist() == [name for name in names for _ in range(2)]
        assert read.columns.tolist() == ["unique_id", "y", "q05"]


def test_first_time_of_each_night_and_columns_without_quantiles(past: list[Published], store: Store) -> None:
    with open_forecasts(past, store) as forecasts:
        assert forecasts.starts == {pd.Timestamp(night): pd.Timestamp(night) for night in NIGHTS}
        table = forecasts.read(("a", "b"), ["ds"], with_quantiles=False)[pd.Timestamp(NIGHTS[1])]
    assert table.columns.tolist() == ["ds"]
    assert len(table) == 2


def test_no_earlier_night_has_no_blocks(store: Store) -> None:
    with open_forecasts([], store) as forecasts:
        assert (forecasts.blocks, forecasts.starts) == ([], {})
