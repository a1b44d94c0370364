"""Files of a source on any fsspec URL: which addresses may be read, which files there are, their bytes unpacked."""

import bz2
import gzip
import ipaddress
import lzma
import re
import socket
import zipfile
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
import pyarrow as pa

from data_contracts.errors import SpecError
from tasks.sources.limits import source_error
from tasks.sources.spec import SourceSpec

# fmt: off
SCHEMES = (
    "file", "local", "memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "http", "https", "ftp", "ftps",
    "sftp", "ssh", "hdfs", "webhdfs", "oci", "oss", "hf", "zip", "tar", "simplecache", "filecache", "blockcache",
)
# fmt: on
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)


def open_file(source: SourceSpec) -> tuple[fsspec.AbstractFileSystem, str]:
    """(file system, path). Raises SpecError for an address that no source may have."""
    _allowed(source)
    filesystem, path = fsspec.core.url_to_fs(source.path, **source.storage)
    filesystem.invalidate_cache()  # a listing of last night is not what lies there now
    return filesystem, path


def _allowed(source: SourceSpec) -> None:
    for part in re.split(r"::(?=\w+://)", source.path):
        scheme = part.split("://", 1)[0].lower() if "://" in part else ""
        if scheme and scheme not in SCHEMES:
            known = "file, s3, gs, abfs, https, sftp"
            raise SpecError(
                f"the source {source.shown} can't be opened: no source is read by {scheme}://, but by {known}."
            )
        if scheme in ("http", "https") and (where := _local(part)):
            raise SpecError(
                f"the source {source.shown} can't be opened: it lies at {where}, an address inside this machine or its "
                "network, which is not read over http; give the path of the file, or a bucket."
            )


def _local(url: str) -> str | None:
    """The address of a URL where it is not a public one; a name that can't be resolved is left to fail by itself."""
    try:
        host = urlsplit(url).hostname or ""
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError, ValueError):
        return None
    addresses = [ipaddress.ip_address(str(one).split("%")[0]) for one in sorted(map(str, found))]
    mapped = [getattr(one, "ipv4_mapped", None) or one for one in addresses]
    return next((str(one) for one in mapped if not one.is_global), None)


def list_source_files(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """Every file of a glob, a folder or a single path; names that start with . or _ are somebody's bookkeeping.

    Raises FileNotFoundError where there is none.
    """
    globbed = re.search(r"[*?\[]", path) and not filesystem.exists(path)
    if globbed:
        listed = [name for name in filesystem.glob(path) if filesystem.isfile(name)]
    else:
        listed = [path] if filesystem.isfile(path) else filesystem.find(path)
    found = sorted(name for name in listed if name == path or not name.rsplit("/", 1)[-1].startswith((".", "_")))
    if not found:
        raise FileNotFoundError(path)
    return found


def hive_keys(name: str, path: str) -> dict[str, str | None]:
    """What the folders of a file below `path` say: `day=2024-03-01/` is the text 2024-03-01 of a column day."""
    pairs = re.findall(r"([^/=]+)=([^/]*)/", name.removeprefix(path))
    return {key: None if value == NO_VALUE else unquote(value) for key, value in pairs}


def decompress(file: Any, most: int, source: SourceSpec) -> bytes:
    """At most `most` bytes of an open file; what it begins with, not its name, says how it is packed."""
    head = file.read(6)
    file.seek(0)
    packing = next((name for magic, name in MAGIC if head.startswith(magic)), "")
    if packing == "zip":
        return _only_member(file, most, source)
    plain: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    if packing == "zstd":
        file = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    elif packing:
        file = plain[packing](file, "rb")
    data: bytes = file.read(most)
    return data


def _only_member(file: Any, most: int, source: SourceSpec) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) != 1:
                raise source_error(source, f"the zip archive holds {len(members)} files, and one is read; unpack it")
            with archive.open(members[0]) as member:
                return member.read(most)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as broken:  # the last two: encrypted, odd packing
        raise source_error(source, f"it can't be unpacked: {broken}") from broken
