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
    with pytest.raises(SourceUnreadable, match="the file does not exist"):
        read_source(source)
    other = s3fs.S3FileSystem(endpoint_url=s3, key="x", secret="y", skip_instance_cache=True)  # noqa: S106
    other.pipe_file("shop/new/one.csv", TEXT)
    first = fingerprint(source)
    other.pipe_file("shop/new/two.csv", TEXT)
    assert read_source(source).num_rows == 4
    assert fingerprint(source) != first
    other.rm("shop/new", recursive=True)


def test_missing_or_unreachable_bucket_is_reported_without_secret(bucket: dict[str, Any]) -> None:
    with pytest.raises(SourceUnreadable, match="the file does not exist") as missing:
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
