"""Times of several files have one type if they can be compared."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import SourceUnreadable
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.sources.times.time_types import common_time_type


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        (pa.timestamp("us", "UTC"), pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("ns", "UTC")),
        (pa.timestamp("s", "Asia/Tokyo"), pa.timestamp("ms", "Asia/Tokyo"), pa.timestamp("ms", "Asia/Tokyo")),
        (pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us")),
        (pa.date32(), pa.timestamp("us"), pa.timestamp("us")),
        (pa.date32(), pa.date64(), pa.timestamp("s")),
        (pa.timestamp("us"), pa.timestamp("us", "UTC"), None),
        (pa.date32(), pa.timestamp("us", "UTC"), None),
        (pa.int64(), pa.timestamp("us"), None),
        (pa.timestamp("us"), pa.timestamp("us"), None),
    ],
)
def test_times_have_a_common_type_if_they_can_be_compared(first, second, common):
    assert common_time_type(first, second) == common
    assert common_time_type(second, first) == common


def write(path, times):
    pq.write_table(pa.table({"ds": pa.Array.from_pandas(times), "y": [1.0, 2.0]}), path)


def test_aware_times_of_two_zones_are_instants(tmp_path):
    hours = pd.Series(pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC"))
    write(tmp_path / "a.parquet", hours.astype("datetime64[us, UTC]"))
    write(tmp_path / "b.parquet", hours.astype("datetime64[ms, UTC]").dt.tz_convert("Asia/Tokyo"))
    table = read_source(SourceSpec(kind="parquet", path=str(tmp_path)))
    assert table["ds"].to_pandas().tolist() == [*hours, *hours]


def test_naive_times_beside_aware_times_are_refused_by_file(tmp_path):
    hours = pd.Series(pd.date_range("2024-01-01", periods=2, freq="h"))
    write(tmp_path / "a.parquet", hours)
    write(tmp_path / "b.parquet", hours.dt.tz_localize("UTC"))
    with pytest.raises(SourceUnreadable, match=r"b.parquet: column 'ds' is .*a.parquet; times with a zone and times"):
        read_source(SourceSpec(kind="parquet", path=str(tmp_path)))
