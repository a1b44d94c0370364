"""Names of series: one text for one name, whatever type the column has, and never one text for two names."""

import datetime as dt
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import SourceUnreadable
from tasks.sources import arrow_columns
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.dataset import DatasetSpec
from tasks.sources.names import names_as_text
from tasks.sources.read import read_source

MakeSpec = Callable[..., DatasetSpec]
D = Decimal
MIDNIGHT = dt.datetime(2024, 1, 31)  # noqa: DTZ001 - naive
UUID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([101, None, -7], pa.int64()), ["101", None, "-7"]),
        (pa.array([2**63, 1], pa.uint64()), ["9223372036854775808", "1"]),
        (pa.array([101.0, 1.5, None, -0.0, 1e20]), ["101", "1.5", None, "0", "100000000000000000000"]),
        (pa.array([math.nan, math.inf, 0.1, 1e-7]), [None, None, "0.1", "0.0000001"]),
        (pa.array([0.1, 7], pa.float32()), ["0.1", "7"]),
        (pa.array([D("101.00"), D("1.50"), D("0.0000001")], pa.decimal128(20, 7)), ["101", "1.5", "0.0000001"]),
        (pa.array([b"ab", "é".encode(), b"\xff", None]), ["ab", "é", None, None]),
        (pa.array([b"ab\0", b"abc"], pa.binary(3)), ["ab", "abc"]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array([dt.date(2024, 1, 31)]), ["2024-01-31"]),
        (pa.array([MIDNIGHT, MIDNIGHT.replace(hour=3)], pa.timestamp("ns")),
         ["2024-01-31", "2024-01-31 03:00:00"]),
        (pa.array([MIDNIGHT], pa.timestamp("us", "UTC")), ["2024-01-31 00:00:00+00:00"]),
        (pa.array(["0101", "101", " a ", None]), ["0101", "101", " a ", None]),
        (pa.array(["1.0", "2.0"]), ["1.0", "2.0"]),  # versions
        (pa.array(["1.0", "2.1", None]), ["1.0", "2.1", None]),
        (pa.array(["101.0", None, "7.0"]), ["101", None, "7"]),  # as pandas writes integers beside a missing value
        (pa.array(["101.0", "101"]), ["101", "101"]),  # two files, one of which has a missing value
        (pa.array(["01.0", None]), ["01.0", None]),
        (pa.array(["a", "b", None]).dictionary_encode(), ["a", "b", None]),
        (pa.array([1.0, 2.5]).dictionary_encode(), ["1", "2.5"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array(["a"], pa.string_view()), ["a"]),
        (pa.array([UUID.bytes], pa.binary(16)).cast(pa.uuid()), [str(UUID)]),
        (pa.nulls(2), [None, None]),
        (pa.array([[1], [2]]), [None, None]),
        (pa.array([], pa.float64()), []),
        (pa.chunked_array([], pa.string()), []),
        (pa.chunked_array([], pa.binary()), []),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)  # fmt: skip
def test_names_are_text_whatever_the_type(values: pa.Array | pa.ChunkedArray, names: list[str | None]) -> None:
    assert names_as_text(values).to_pylist() == names
    assert names_as_text(values).type == pa.string()


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=20))
def test_integers_floats_and_decimals_have_the_same_names(numbers: list[int]) -> None:
    names = [str(number) for number in numbers]
    for kind in (pa.int64(), pa.float64(), pa.decimal128(30, 4)):
        assert names_as_text(pa.array(numbers, pa.int64()).cast(kind)).to_pylist() == names
    assert names_as_text(arrow_columns.column([D(number) for number in numbers])).to_pylist() == names


@given(st.lists(st.text(), max_size=20))
def test_text_bytes_and_categories_have_the_same_names(texts: list[str]) -> None:
    texts = [text for text in texts if not text.endswith(".0")]
    for values in (pa.array(texts, pa.string()), pa.array(texts, pa.large_string()).dictionary_encode()):
        assert names_as_text(values).to_pylist() == texts
    assert names_as_text(pa.array([text.encode() for text in texts], pa.binary())).to_pylist() == texts


@pytest.mark.parametrize(
    "values",
    [
        [D(2**64), D(2**64 + 1)],
        [2**64, 2**64 + 1],
        [2**53, 2**53 + 1, 1.5],
        [D("NaN"), D(2**53 + 1)],
    ],
)
def test_large_integers_of_a_database_stay_apart(values: list[Any]) -> None:
    names = names_as_text(arrow_columns.column(values)).to_pylist()
    assert len(set(names)) == len(values)
    batches = [[arrow_columns.column([value])] for value in values]
    assert names_as_text(arrow_columns.table(batches, ["id"])["id"]).to_pylist() == names


FILES = {
    "int and float": ([101, 102], [101.0, 102.0], {"101", "102"}),
    "int and decimal": ([101, 102], [D("101.0"), D("102.0")], {"101", "102"}),
    "int and text": ([101, 102], ["101", "0101"], {"101", "102", "0101"}),
    "text and bytes": (["a", "b"], [b"a", b"c"], {"a", "b", "c"}),
    "text and boolean": (["true", "b"], [True, False], {"true", "b", "false"}),
    "large int and float": ([2**53 + 1, 2**53], [1.0, 2.0], {str(2**53 + 1), str(2**53), "1", "2"}),
    "text and category": (["a", "b"], pd.Categorical(["a", "c"]), {"a", "b", "c"}),
    "date and text": ([dt.date(2024, 1, 1)] * 2, ["2024-01-01", "x"], {"2024-01-01", "x"}),
}


@pytest.mark.parametrize("first, second, names", FILES.values(), ids=FILES)  # noqa: PT006
def test_series_have_one_name_across_files_of_different_types(
    tmp_path: Path, reading: MakeSpec, first: Any, second: Any, names: set[str]
) -> None:
    for number, ids in enumerate((first, second)):
        hours = pd.date_range("2024-03-01", periods=2, freq="h", tz="UTC") + pd.Timedelta(days=number)
        frame = pd.DataFrame({"sku": ids, "hour": hours, "sold": [1.0, 2.0]})
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / f"{number}.parquet")
    spec = reading(source={"kind": "parquet", "path": str(tmp_path)}, features={})
    table = to_canonical_columns(read_source(spec.source, spec.select_columns), spec)
    assert set(table["unique_id"].to_pylist()) == names
    assert table["y"].to_pylist() == [1.0, 2.0] * 2


def test_static_covariates_and_targets_of_a_wide_table_keep_their_names(tmp_path: Path, reading: MakeSpec) -> None:
    table = pa.table({"sku": [7.0, None], "hour": ["2024-03-01"] * 2, "a": [1, 2], "b": [3, 4], "town": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    spec = reading(
        source={"kind": "parquet", "path": str(tmp_path / "t.parquet")},
        columns={"unique_id": "sku", "ds": "hour", "y": ["a", "b"]},
        features={"static": ["town"]},
    )
    long = to_canonical_columns(read_source(spec.source, spec.select_columns), spec)
    assert long["unique_id"].to_pylist() == ["7/a", None, "7/b", None]
    assert long["town"].to_pylist() == ["1", "2", "1", "2"]


def test_nested_column_is_named_with_the_way_out(tmp_path: Path, reading: MakeSpec) -> None:
    table = pa.table({"sku": [["a"]], "hour": ["2024-03-01"], "sold": [1.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    spec = reading(source={"kind": "parquet", "path": str(tmp_path / "t.parquet")}, features={})
    with pytest.raises(SourceUnreadable, match=r"'sku', the series \(unique_id\), holds list<.*>; make columns of"):
        to_canonical_columns(read_source(spec.source, spec.select_columns), spec)
