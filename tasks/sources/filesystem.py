"""Files of a source at an fsspec URL: allowed addresses, listing, hive keys and decompression."""

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
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)


def open_file(source: SourceSpec) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return (file system, path); raises SpecError for an address that must not be read."""
    _check_address(source)
    filesystem, path = fsspec.core.url_to_fs(source.path, **source.storage)
    filesystem.invalidate_cache()  # a listing of last night is out of date
    return filesystem, path


def _check_address(source: SourceSpec) -> None:
    for part in re.split(r"::(?=\w+://)", source.path):
        scheme = part.split("://", 1)[0].lower() if "://" in part else ""
        if scheme and scheme not in SCHEMES:
            supported = "file, s3, gs, abfs, https, sftp"
            raise SpecError(
                f"the source {source.label} can't be opened: {scheme}:// is not supported; use one of {supported}."
            )
        if scheme in ("http", "https") and (address := _find_private_address(part)):
            raise SpecError(
                f"the source {source.label} can't be opened: its host is {address}, an address inside this machine or "
                "its network, which is not read over http; give the path of the file, or a bucket."
            )


def _find_private_address(url: str) -> str | None:
    """Return an address of the host that is not public; None also for a host that cannot be resolved."""
    try:
        host = urlsplit(url).hostname or ""
        resolved = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError, ValueError):
        return None
    addresses = [ipaddress.ip_address(str(address).split("%")[0]) for address in sorted(map(str, resolved))]
    mapped = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
    return next((str(address) for address in mapped if not address.is_global), None)


def list_source_files(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """List the files of a glob, a folder or a single path, sorted.

    Files whose names start with . or _ are skipped: they are metadata of other tools, as _SUCCESS.

    Args:
        filesystem: The file system of `path`.
        path: A glob, a folder or a file.

    Returns:
        The paths of the files; at least one.

    Raises:
        FileNotFoundError: No file matches.
    """
    globbed = re.search(r"[*?\[]", path) and not filesystem.exists(path)
    if globbed:
        listed = [name for name in filesystem.glob(path) if filesystem.isfile(name)]
    else:
        listed = [path] if filesystem.isfile(path) else filesystem.find(path)
    names = sorted(name for name in listed if name == path or not name.rsplit("/", 1)[-1].startswith((".", "_")))
    if not names:
        raise FileNotFoundError(path)
    return names


def hive_keys(name: str, path: str) -> dict[str, str | None]:
    """Return the hive keys of a file below `path`: the folder `day=2024-03-01/` gives the text 2024-03-01 in `day`."""
    pairs = re.findall(r"([^/=]+)=([^/]*)/", name.removeprefix(path))
    return {key: None if value == HIVE_NULL else unquote(value) for key, value in pairs}


def decompress(file: Any, max_bytes: int, source: SourceSpec) -> bytes:
    """Return at most `max_bytes` uncompressed bytes; the first bytes of the file decide the format, not its name."""
    head = file.read(6)
    file.seek(0)
    compression = next((name for magic, name in MAGIC if head.startswith(magic)), "")
    if compression == "zip":
        return _read_only_member(file, max_bytes, source)
    openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    if compression == "zstd":
        file = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    elif compression:
        file = openers[compression](file, "rb")
    data: bytes = file.read(max_bytes)
    return data


def _read_only_member(file: Any, max_bytes: int, source: SourceSpec) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) != 1:
                raise source_error(source, f"the zip archive holds {len(members)} files instead of one; unpack it")
            with archive.open(members[0]) as member:
                return member.read(max_bytes)
    except (
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
    ) as broken:  # the last two: encrypted, or an unsupported method
        raise source_error(source, f"it can't be unpacked: {broken}") from broken
