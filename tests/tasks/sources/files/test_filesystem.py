"""Files in buckets, folders and globs, compressed files, and addresses that are refused."""

import bz2
import gzip
import lzma
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import SourceUnreadable, SpecError
from tasks.sources.missing import SourceMissing
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec

PANEL = pa.table({"sku": ["a", "b"], "sold": [1.0, 2.0]})
TEXT = b"sku,sold\na,1\nb,2\n"


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Storage options of an S3 server with s3://shop; the credentials are environment variables."""
    import s3fs

    monkeypatch.setenv("SHOP_KEY", "AKIA-shop-key")
    monkeypatch.setenv("SHOP_SECRET", "shop-secret-value")
    filesystem = s3fs.S3FileSystem(endpoint_url=s3, key="AKIA-shop-key", secret="shop-secret-value")  # noqa: S106
    if not filesystem.exists("shop"):
        filesystem.mkdir("shop")
    with filesystem.open("shop/day=1/part.parquet", "wb") as file:
        pq.write_table(PANEL, file)
    filesystem.pipe_file("shop/sales.csv", TEXT)
    return {"endpoint_url": s3, "key": "${SHOP_KEY}", "secret": "${SHOP_SECRET}"}


@pytest.mark.parametrize(("kind", "path"), [("csv", "s3://shop/sales.csv"), ("parquet", "s3://shop/day=1"),
                                            ("parquet", "s3://shop/*/*.parquet")])  # fmt: skip
def test_bucket_is_read_with_storage_options(bucket: dict[str, Any], kind: str, path: str) -> None:
    source = SourceSpec.model_validate({"kind": kind, "path": path, "storage": bucket})
    table = read_source(source, ["sku", "sold"])
    assert table["sku"].to_pylist() == ["a", "b"]
    assert [float(value) for value in table["sold"].to_pylist()] == [1.0, 2.0]
    assert fingerprint(source) == fingerprint(source)


def test_new_file_in_bucket_is_read(bucket: dict[str, Any], s3: str) -> None:
    import s3fs

    source = SourceSpec(kind="csv", path="s3://shop/new", storage=bucket)
    with pytest.raises(SourceMissing, match=r"s3://shop/new does not exist. Nothing is at that address"):
        read_source(source)
    other = s3fs.S3FileSystem(endpoint_url=s3, key="x", secret="y", skip_instance_cache=True)  # noqa: S106
    other.pipe_file("shop/new/one.csv", TEXT)
    first = fingerprint(source)
    other.pipe_file("shop/new/two.csv", TEXT)
    assert read_source(source).num_rows == 4
    assert fingerprint(source) != first
    other.rm("shop/new", recursive=True)


def test_missing_or_unreachable_bucket_is_reported_without_secret(bucket: dict[str, Any]) -> None:
    with pytest.raises(SourceMissing, match=r"s3://nowhere/s.csv does not exist") as missing:
        read_source(SourceSpec(kind="csv", path="s3://nowhere/s.csv", storage=bucket))
    deaf = bucket | {"endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 1}}}
    with pytest.raises(SourceUnreadable, match="can't be read as csv") as unreachable:
        read_source(SourceSpec(kind="csv", path="s3://shop/s.csv", storage=deaf))
    assert "shop-secret-value" not in f"{missing.value}{unreachable.value}"


def test_missing_file_system_package_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)  # cached by an earlier test
    with pytest.raises(SpecError, match=r"pip install 'nightcast\[s3\]'"):
        read_source(SourceSpec(kind="csv", path="s3://shop/s.csv"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/s.csv",
        "https://localhost/s.csv",
        "http://[::1]/s.csv",
        "http://0.0.0.0/s.csv",
        "http://2130706433/s.csv",
        "http://169.254.169.254/latest/meta-data/s.csv",
        "http://10.0.0.7/s.csv",
        "http://[::ffff:127.0.0.1]/s.csv",
        "HTTP://127.0.0.1/s.csv",
        "simplecache::http://127.0.0.1/s.csv",
        "http://user:hunter2@127.0.0.1/s.csv",
    ],
)
def test_private_address_is_not_read_over_http(url: str) -> None:
    with pytest.raises(SpecError, match="an address inside this machine or its network") as refused:
        read_source(SourceSpec(kind="csv", path=url))
    assert refused.value.exit_code == 2
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["reference", "dask", "jupyter", "git", "github", "data", "gopher", "javascript"])
def test_unsupported_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(SpecError, match=f"{scheme}:// is not supported"):
        read_source(SourceSpec(kind="csv", path=f"{scheme}://u:hunter2@host/s.csv"))


@pytest.mark.parametrize("pack", ["gzip", "bz2", "xz", "zstd", "zip"])
@pytest.mark.parametrize("name", ["s.csv", "s.csv.packed"])
def test_compression_is_detected_whatever_the_name(tmp_path: Path, pack: str, name: str) -> None:
    path = tmp_path / name
    if pack == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("s.csv", TEXT)
    elif pack == "zstd":
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(TEXT)
    else:
        path.write_bytes({"gzip": gzip, "bz2": bz2, "xz": lzma}[pack].compress(TEXT))
    assert read_source(SourceSpec(kind="csv", path=str(path)))["sku"].to_pylist() == ["a", "b"]


def test_archive_with_two_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("one.csv", TEXT)
        archive.writestr("two.csv", TEXT)
    with pytest.raises(SourceUnreadable, match="holds 2 files instead of one"):
        read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.zip")))
    (tmp_path / "torn.zip").write_bytes((tmp_path / "s.zip").read_bytes()[:40])
    with pytest.raises(SourceUnreadable, match="can't be unpacked"):
        read_source(SourceSpec(kind="csv", path=str(tmp_path / "torn.zip")))


BOOKKEEPING = [
    *("_SUCCESS", ".hidden.csv", "_temporary/0/s.csv", "_delta_log/0.csv", ".ipynb_checkpoints/s-checkpoint.csv"),
    *("__MACOSX/._s.csv", ".hive-staging_1/s.csv", ".hoodie/s.csv", "deep/_tmp/x/s.csv", ".s.csv.crc", "s.csv.crc"),
    *("README.md", "readme.txt", "LICENSE", "manifest.json", "metadata/v1.metadata.json", "metadata/snap-1.avro"),
    *("notes.ipynb", "~$s.csv", "load.log", "deep/.git/s.csv"),
]


def fill(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(TEXT if name.startswith("shop/") else b"bookkeeping")


@pytest.mark.parametrize("name", BOOKKEEPING)
def test_bookkeeping_is_passed_over_at_any_depth(tmp_path: Path, name: str) -> None:
    fill(tmp_path, ["shop/deep/a.csv", f"shop/{name}"])
    (tmp_path / "shop" / name).write_bytes(b"bookkeeping,of,others")
    folder = SourceSpec(kind="csv", path=str(tmp_path / "shop"))
    before = fingerprint(folder)
    assert read_source(folder)["sku"].to_pylist() == ["a", "b"]
    assert read_source(SourceSpec(kind="csv", path=f"{tmp_path}/shop/**/a.csv"))["sku"].to_pylist() == ["a", "b"]
    (tmp_path / "shop" / name).write_bytes(b"changed")
    assert fingerprint(folder) == before


@pytest.mark.parametrize("path", ["_data", ".data", "_data/*.csv", "*/*.csv", "_data/.x/s.csv", ".data/**/s.csv"])
def test_hidden_path_that_is_given_is_read(tmp_path: Path, path: str) -> None:
    fill(tmp_path, ["shop/_data/s.csv", "shop/.data/s.csv", "shop/_data/.x/s.csv", "shop/plain/s.csv"])
    assert read_source(SourceSpec(kind="csv", path=f"{tmp_path}/shop/{path}")).num_rows == 2


def test_hive_folder_whose_key_begins_with_an_underscore_is_read(tmp_path: Path) -> None:
    fill(tmp_path, ["shop/_day=1/s.csv", "shop/_day=2/s.csv"])
    table = read_source(SourceSpec(kind="csv", path=str(tmp_path / "shop")))
    assert table["_day"].to_pylist() == ["1", "1", "2", "2"]


def test_folder_of_different_tables_is_named(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("store,ds,sold\n1,2024-03-01,5\n")
    (tmp_path / "stores.csv").write_text("store,city,size\n1,Ulm,30\n")
    folder = SourceSpec(kind="csv", path=str(tmp_path))
    message = "different tables: sales.csv has 'ds', 'sold', and stores.csv has 'city', 'size' instead. Give one"
    with pytest.raises(SourceUnreadable, match=message):
        read_source(folder, optional=None)
    with pytest.raises(SourceUnreadable, match="column 'ds' is missing, and 1 other files have it"):
        read_source(folder, ["ds", "sold"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_covariate_that_older_files_lack_is_missing(tmp_path: Path, kind: str) -> None:
    older, newer = pa.table({"sku": ["a"], "sold": ["1"]}), pa.table({"sku": ["a"], "sold": ["2"], "price": ["9"]})
    for name, table in (("1", older), ("2", newer)):
        if kind == "csv":
            table.to_pandas().to_csv(tmp_path / f"{name}.csv", index=False)
        else:
            pq.write_table(table, tmp_path / f"{name}.parquet")
    source = SourceSpec.model_validate({"kind": kind, "path": str(tmp_path)})
    columns = ["sku", "sold", "price"]
    assert read_source(source, columns, optional=["price"])["price"].to_pylist() == [None, "9"]
    assert read_source(source, optional=None).column_names == columns
    with pytest.raises(SourceUnreadable, match="column 'price' is missing"):
        read_source(source, columns)
    assert read_source(source, ["sku", "gone"], optional=["gone"]).num_rows == 0
