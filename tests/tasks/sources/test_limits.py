"""Limits of a source: time, rows, bytes, columns and memory, each named with its value and its setting."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from data_contracts.errors import SourceUnreadable
from tasks.sources import limits
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec

HANGS = """
import threading
def rows(seconds: float = 60.0):
    threading.Event().wait(seconds)
"""
ALLOCATES = """
import time
def rows():
    kept = [bytearray(1 << 20) for _ in range(200)]
    time.sleep(20)
"""


@pytest.fixture
def python_source(tmp_path: Path) -> Any:
    def build(code: str, **settings: Any) -> SourceSpec:
        (tmp_path / "shop.py").write_text(code, encoding="utf-8")
        source = SourceSpec.model_validate({"kind": "python", "callable": "shop:rows", **settings})
        return source.with_resolved_paths(lambda path: path, tmp_path)

    return build


def test_function_that_hangs_ends_at_the_timeout(python_source: Any) -> None:
    stdout, begun = sys.stdout, time.monotonic()
    with pytest.raises(
        SourceUnreadable, match=r"not read within 300ms \(source\.timeout\).*set a longer source\.timeout"
    ):
        read_source(python_source(HANGS, timeout="300ms"))
    assert time.monotonic() - begun < 5
    assert sys.stdout is stdout


def test_read_whose_memory_grows_is_given_up(python_source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_GROWTH", 100_000_000)
    begun = time.monotonic()
    with pytest.raises(SourceUnreadable, match=r"takes \d+\.\d MB of memory so far, too much of the .* of memory here"):
        read_source(python_source(ALLOCATES, max_bytes="1MB"))
    assert time.monotonic() - begun < 10


def test_memory_error_is_a_sentence() -> None:
    with pytest.raises(SourceUnreadable, match="takes more memory than there is; name fewer columns"):
        limits.within_timeout(_raise_in_read, SourceSpec(kind="csv", path="s.csv"))


def _raise_in_read() -> None:
    from tasks.sources.errors import translate_errors

    with translate_errors(SourceSpec(kind="csv", path="s.csv")):
        raise MemoryError


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "python"])
def test_stated_limits_are_named_with_value_and_setting(tmp_path: Path, python_source: Any, kind: str) -> None:
    frame = pd.DataFrame({"ds": range(100), "y": 1.0})
    frame.to_csv(tmp_path / "s.csv", index=False)
    frame.to_parquet(tmp_path / "s.parquet")
    frame.to_json(tmp_path / "s.json", orient="records", lines=True)
    code = "import pandas as pd\ndef rows():\n    return pd.DataFrame({'ds': range(100), 'y': 1.0})\n"

    def source(**settings: Any) -> SourceSpec:
        if kind == "python":
            return python_source(code, **settings)
        return SourceSpec.model_validate({"kind": kind, "path": str(tmp_path / f"s.{kind}"), **settings})

    assert read_source(source(max_rows=100)).num_rows == 100
    with pytest.raises(SourceUnreadable, match=r"holds 100 rows or more, and at most 99 are read \(source\.max_rows\)"):
        read_source(source(max_rows=99))
    with pytest.raises(SourceUnreadable, match=r"holds \d.* bytes or more, and at most 200 are read \(source\.max_byt"):
        read_source(source(max_bytes=200))


def test_default_limits_name_the_memory_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"ds": range(100), "y": 1.0}).to_csv(tmp_path / "s.csv", index=False)
    source = SourceSpec(kind="csv", path=str(tmp_path / "s.csv"))
    monkeypatch.setattr(limits, "MAX_VALUES", 150)
    with pytest.raises(
        SourceUnreadable, match=r"at most 150 are read, the default of the .* of memory here; name fewer"
    ):
        read_source(source)
    assert read_source(source.model_copy(update={"max_rows": 100})).num_rows == 100  # the way out that it names
    monkeypatch.setattr(limits, "MAX_BYTES", 150)
    with pytest.raises(
        SourceUnreadable, match=r"the default of source\.max_bytes, a quarter of the .*\); raise source"
    ):
        read_source(source)
    assert read_source(source.model_copy(update={"max_rows": 100, "max_bytes": 10_000})).num_rows == 100


def test_table_with_too_many_columns_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(limits.MAX_COLUMNS + 1)]
    (tmp_path / "s.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n", encoding="utf-8")
    begun = time.monotonic()
    with pytest.raises(SourceUnreadable, match=rf"has {len(names):,} columns, and at most .*; write the table in long"):
        read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.csv")))
    assert time.monotonic() - begun < 2


def test_parquet_that_declares_more_than_is_read_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    values = pa.array([None] * 1_000_000, pa.float64())
    pq.write_table(pa.table({"y": values}), tmp_path / "s.parquet")
    assert (tmp_path / "s.parquet").stat().st_size < 10_000
    with pytest.raises(SourceUnreadable, match="holds 8,000,000 bytes or more, and at most 1,000,000 are read"):
        read_source(
            SourceSpec.model_validate({"kind": "parquet", "path": str(tmp_path / "s.parquet"), "max_bytes": "1MB"})
        )


def test_parquet_that_repeats_a_long_text_is_refused_before_it_expands(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["x" * 100_000])
    pq.write_table(pa.table({"id": ids, "y": [1.0] * 100_000}), path, store_schema=False)
    assert path.stat().st_size < 100_000
    before = pa.total_allocated_bytes()
    source = SourceSpec.model_validate({"kind": "parquet", "path": str(path), "max_bytes": "100MB"})
    with pytest.raises(SourceUnreadable, match=r"holds 1\d,\d\d\d,\d\d\d,\d\d\d bytes or more"):
        read_source(source)
    assert pa.total_allocated_bytes() - before < 100_000_000
    assert read_source(source, ["y"]).num_rows == 100_000
    few = pa.table({"id": ["north", "south"] * 500, "y": [1.0] * 1000})
    pq.write_table(few, path)
    assert read_source(source.model_copy(update={"max_bytes": 40_000}))["id"].to_pylist() == ["north", "south"] * 500


def test_arrow_stream_is_read_within_the_limit(tmp_path: Path) -> None:
    batch = pa.record_batch({"y": pa.array([1.0] * 10_000)})
    with pa.OSFile(str(tmp_path / "s.arrow"), "wb") as sink, pa.ipc.new_stream(sink, batch.schema) as stream:
        for _ in range(10):
            stream.write_batch(batch)
    with pytest.raises(SourceUnreadable, match="holds 240,000 bytes or more"):
        read_source(SourceSpec(kind="arrow", path=str(tmp_path / "s.arrow"), max_bytes=200_000))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": "0s"},
        {"timeout": "-5min"},
        {"timeout": "25h"},
        {"timeout": "soon"},
        {"timeout": "30"},
        {"timeout": 30},
        {"timeout": "NaT"},
        {"max_rows": 0},
        {"max_rows": -1},
        {"max_rows": float("inf")},
        {"max_bytes": 0},
        {"max_bytes": "lots"},
        {"max_bytes": "2PB"},
        {"max_bytes": float("nan")},
    ],
)
def test_invalid_limit_is_rejected(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        SourceSpec.model_validate({"kind": "csv", "path": "s.csv", **settings})


@pytest.mark.parametrize("kind", ["csv", "sql", "python"])
def test_every_kind_of_source_has_the_limits(kind: str) -> None:
    fields = {"csv": {"path": "s"}, "sql": {"url": "sqlite:///s.db", "table": "t"}, "python": {"callable": "a:b"}}[kind]
    limits_ = {"timeout": "2h", "max_rows": 7, "max_bytes": "4GB"}
    source = SourceSpec.model_validate({"kind": kind, **fields, **limits_})
    assert (source.timeout_s, source.max_rows, source.max_bytes) == (7200.0, 7, 4_000_000_000)


def test_fingerprint_has_the_deadline_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.sources import read

    end = threading.Event()
    monkeypatch.setattr(read, "_digest_files", lambda _source: end.wait())
    with pytest.raises(SourceUnreadable, match=r"not read within 200ms"):
        fingerprint(SourceSpec(kind="csv", path=str(tmp_path / os.devnull), timeout="200ms"))
    end.set()
