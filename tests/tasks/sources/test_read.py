"""Files as sources: values as they are written, columns as chosen, limits, and errors for files that are not tables."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import SourceUnreadable, SpecError
from tasks.sources import limits
from tasks.sources.missing import SourceMissing
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec

Sales = Callable[..., pd.DataFrame]


def test_csv_values_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('sku,hour,sold\n007,2024-03-01,1.50\nNA,2024-03-01,\n"None",2024-03-01,""\n', encoding="utf-8")
    table = read_source(SourceSpec(kind="csv", path=str(path)))
    assert table["sku"].to_pylist() == ["007", "NA", "None"]
    assert table["sold"].to_pylist() == ["1.50", None, ""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty and has no header"),
        (b"  \n\n", "the file is empty and has no header"),
        (b'"sku', "can't be read as csv"),
        (b"sku,hour,sold\na,2024-03-01\n", "can't be read as csv: line 2 has 2 fields, the header has 3"),
        (b"sku,hour,sold\n\xff\xfe,2024-03-01,1\n", "can't be read as csv.*UTF8"),
        (b"\x00\x01\x02garbage\xff", "can't be read as csv"),
    ],
)
def test_invalid_csv_is_reported_with_its_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=f"(?s)s.csv broke.*{message}") as refused:
        read_source(SourceSpec(kind="csv", path=str(path)))
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"garbage", b"PAR1garbagePAR1", None])
def test_invalid_parquet_is_reported(tmp_path: Path, sales: Sales, content: bytes | None) -> None:
    path = tmp_path / "s.parquet"
    sales().to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(SourceUnreadable, match=r"s\.parquet.*\n.*can't be read as parquet") as refused:
        read_source(SourceSpec(kind="parquet", path=str(path)))
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_missing_file_is_reported(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceMissing, match=r"gone\.x does not exist\. Looked for /.*gone\.x; "):
        read_source(SourceSpec.model_validate({"kind": kind, "path": str(tmp_path / "gone.x")}))


def test_truncated_gzip_and_unknown_scheme_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.csv.gz"
    path.write_bytes(gzip.compress(b"sku,hour,sold\n" * 100)[:-12])
    with pytest.raises(SourceUnreadable, match="can't be read as csv"):
        read_source(SourceSpec(kind="csv", path=str(path)))
    with pytest.raises(SpecError, match=r"nowhere://…@host/s\.csv can't be opened") as refused:
        read_source(SourceSpec(kind="csv", path="nowhere://me:hunter2@host/s.csv"))
    assert "hunter2" not in str(refused.value)


def test_source_above_the_limits_is_refused(tmp_path: Path, sales: Sales, monkeypatch: pytest.MonkeyPatch) -> None:
    sales().to_parquet(tmp_path / "s.parquet")
    sales().to_csv(tmp_path / "s.csv.gz", index=False)
    monkeypatch.setattr(limits, "MAX_VALUES", 100)
    with pytest.raises(SourceUnreadable, match="holds 462 values or more, and at most 100 are read"):
        read_source(SourceSpec(kind="parquet", path=str(tmp_path / "s.parquet")))
    assert read_source(SourceSpec(kind="parquet", path=str(tmp_path / "s.parquet")), ["sku"]).num_rows == 66
    monkeypatch.setattr(limits, "MAX_BYTES", 1000)
    with pytest.raises(SourceUnreadable, match="bytes or more"):
        read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.csv.gz")))
    monkeypatch.setattr(limits, "MAX_VALUES", 10**9)
    with pytest.raises(SourceUnreadable, match="bytes or more"):
        read_source(SourceSpec(kind="parquet", path=str(tmp_path / "s.parquet")))


def test_decompression_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    nothing = pa.nulls(1_000_000, pa.float64())
    with pq.ParquetWriter(tmp_path / "bomb.parquet", pa.schema([("y", pa.float64())]), compression="zstd") as writer:
        for _ in range(101):
            writer.write_table(pa.table({"y": nothing}))
    table = pq.ParquetFile(tmp_path / "bomb.parquet").metadata
    assert (tmp_path / "bomb.parquet").stat().st_size < 300_000 < table.num_rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_VALUES", 100_000_000)
        with pytest.raises(SourceUnreadable, match="101,000,000 values"):
            read_source(SourceSpec(kind="parquet", path=str(tmp_path / "bomb.parquet")))


def test_only_chosen_columns_of_wide_file_are_read(tmp_path: Path) -> None:
    wide = pa.table({f"c{number}": [1.0] for number in range(10_000)})
    pq.write_table(wide, tmp_path / "wide.parquet")
    assert read_source(SourceSpec(kind="parquet", path=str(tmp_path / "wide.parquet")), ["c7"]).column_names == ["c7"]


def test_folder_and_glob_are_one_table_and_hive_keys_stay_text(tmp_path: Path) -> None:
    for series, sold in (("007", 1.0), ("008", 2.0)):
        folder = tmp_path / f"sku={series}"
        folder.mkdir()
        pq.write_table(pa.table({"hour": ["2024-03-01"], "sold": [sold]}), folder / "part.parquet")
        (folder / "_SUCCESS").write_bytes(b"")
    whole = read_source(SourceSpec(kind="parquet", path=str(tmp_path)))
    assert sorted(whole["sku"].to_pylist()) == ["007", "008"]
    assert read_source(SourceSpec(kind="parquet", path=f"{tmp_path}/*/part.parquet")).num_rows == 2


def test_column_of_file_wins_over_hive_key(tmp_path: Path) -> None:
    for series, kind in (("a", pa.large_string()), ("b", pa.string())):
        folder = tmp_path / f"sku={series}"
        folder.mkdir()
        pq.write_table(pa.table({"sku": pa.array([series], kind), "sold": [1.0]}), folder / "part.parquet")
    (tmp_path / "sku=c").mkdir()
    pq.write_table(pa.table({"sold": [1.0]}), tmp_path / "sku=c" / "part.parquet")
    assert read_source(SourceSpec(kind="parquet", path=str(tmp_path)))["sku"].to_pylist() == ["a", "b", "c"]


def test_fingerprint_changes_with_content_not_with_mtime(tmp_path: Path, sales: Sales) -> None:
    path = tmp_path / "s.parquet"
    source = SourceSpec(kind="parquet", path=str(path))
    sales().to_parquet(path)
    first = fingerprint(source)
    path.touch()
    assert fingerprint(source) == first
    sales(hours=31).to_parquet(path)
    assert fingerprint(source) != first
