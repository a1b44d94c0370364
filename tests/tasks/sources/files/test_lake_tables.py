"""Folders of Delta, Iceberg and Hudi: the current rows, never rows that were replaced or deleted."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import SourceUnreadable
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec

ROWS = pa.table({"sku": ["a", "b"], "sold": [1.0, 2.0]})
NEWER = pa.table({"sku": ["a", "b"], "sold": [1.0, 3.0]})


def source(path: Path | str, kind: str = "parquet") -> SourceSpec:
    return SourceSpec.model_validate({"kind": kind, "path": str(path)})


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))


@pytest.fixture
def delta(tmp_path: Path) -> Path:
    """A Delta table of which a row was replaced, so that the first file is not part of it."""
    deltalake: Any = pytest.importorskip("deltalake", reason="pip install 'nightcast[delta]'")
    deltalake.write_deltalake(str(tmp_path / "shop"), ROWS)
    deltalake.write_deltalake(str(tmp_path / "shop"), NEWER, mode="overwrite")
    assert len(list((tmp_path / "shop").glob("*.parquet"))) == 2
    return tmp_path / "shop"


@pytest.fixture
def iceberg(tmp_path: Path) -> Path:
    """An Iceberg table of which a row was replaced."""
    pytest.importorskip("pyiceberg", reason="pip install 'nightcast[iceberg]'")
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("test", uri="sqlite:///:memory:", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.sales", ROWS.schema)
    table.append(ROWS)
    table.overwrite(NEWER)
    return Path(table.location().removeprefix("file://"))


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_delta_table_gives_its_current_rows(delta: Path, kind: str) -> None:
    table = read_source(source(delta, kind), ["sku", "sold"])
    assert table.sort_by("sku").to_pydict() == NEWER.to_pydict()
    assert read_source(source(delta, kind), ["gone"]).num_rows == 0
    assert table.schema.field("sku").type == pa.string()


def test_fingerprint_of_delta_table_changes_with_its_version(delta: Path) -> None:
    import deltalake

    first = fingerprint(source(delta))
    assert first == fingerprint(source(delta)) == fingerprint(source(delta, "delta"))
    deltalake.write_deltalake(str(delta), ROWS, mode="append")
    assert fingerprint(source(delta)) != first


def test_glob_in_delta_table_is_read_by_its_log_and_partition_is_refused(tmp_path: Path) -> None:
    deltalake: Any = pytest.importorskip("deltalake", reason="pip install 'nightcast[delta]'")
    for rows in (ROWS, NEWER):
        deltalake.write_deltalake(str(tmp_path / "shop"), rows, mode="overwrite", partition_by=["sku"])
    assert read_source(source(tmp_path / "shop" / "**" / "*.parquet")).num_rows == 2
    with pytest.raises(SourceUnreadable, match=r"a Delta table.*; give the folder of the table, .*shop"):
        read_source(source(tmp_path / "shop" / "sku=a"))


def test_delta_table_without_its_reader_is_refused_with_the_extra(delta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without("deltalake", monkeypatch)
    with pytest.raises(SourceUnreadable, match=r"it is a Delta table, .*pip install 'nightcast\[delta\]'"):
        read_source(source(delta))


@pytest.mark.parametrize("installed", [True, False])
def test_folder_with_the_name_of_a_log_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        without("deltalake", monkeypatch)
    pq.write_table(ROWS, tmp_path / "part-0.snappy.parquet")
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "00000000000000000010.json").write_text("{}\n")
    pq.write_table(pa.table({"add": ["x"], "txn": [1]}), tmp_path / "_delta_log" / "10.checkpoint.parquet")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "v1.metadata.json").write_text("{}")
    assert read_source(source(tmp_path)).to_pydict() == ROWS.to_pydict()
    assert fingerprint(source(tmp_path)) is not None


def test_broken_log_with_removed_files_is_refused(delta: Path) -> None:
    for entry in (delta / "_delta_log").glob("*0.json"):
        entry.unlink()
    with pytest.raises(SourceUnreadable, match="names removed files but cannot be read"):
        read_source(source(delta))


@pytest.mark.parametrize("kind", ["parquet", "iceberg"])
def test_iceberg_table_gives_its_current_rows(iceberg: Path, kind: str) -> None:
    assert len(list(iceberg.rglob("*.parquet"))) > 1
    assert read_source(source(iceberg, kind), ["sku", "sold"]).to_pydict() == NEWER.to_pydict()
    assert fingerprint(source(iceberg)) == fingerprint(source(iceberg, "iceberg"))


def test_iceberg_table_that_cannot_be_read_is_refused(
    iceberg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("pyiceberg", monkeypatch)
    with pytest.raises(SourceUnreadable, match=r"it is an Iceberg table, .*pip install 'nightcast\[iceberg\]'"):
        read_source(source(iceberg))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceUnreadable, match="no metadata/"):
        read_source(source(tmp_path / "empty", "iceberg"))


def test_moved_iceberg_table_is_refused(iceberg: Path, tmp_path: Path) -> None:
    shutil.move(iceberg, tmp_path / "moved")
    with pytest.raises(SourceUnreadable, match=r"names files below .* that do not exist; read the table where it was"):
        read_source(source(tmp_path / "moved"))


def test_hudi_table_is_read_if_no_file_has_an_older_version(tmp_path: Path) -> None:
    (tmp_path / ".hoodie").mkdir()
    (tmp_path / ".hoodie" / "hoodie.properties").write_text("hoodie.table.name=shop\n")
    pq.write_table(ROWS, tmp_path / "f1-0_0-1-2_20240101.parquet")
    assert read_source(source(tmp_path)).num_rows == 2
    pq.write_table(NEWER, tmp_path / "f1-0_0-3-4_20240102.parquet")
    with pytest.raises(SourceUnreadable, match="it is a Hudi table"):
        read_source(source(tmp_path))
