"""Files of a source at an fsspec URL: allowed addresses, listing, hive keys and decompression."""

import bz2
import fnmatch
import gzip
import lzma
import re
import zipfile
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from tasks.sources.addresses import checked_address
from tasks.sources.files.local_files import BoundedFileSystem, check_local_files, check_local_parts
from tasks.sources.limits import source_error
from tasks.sources.spec import SourceSpec
from tasks.storage.object_stores import open_filesystem

GLOB_CHARACTER = re.compile(r"[*?\[]")
SUFFIXES = {
    "csv": (".csv", ".tsv", ".txt"),
    "parquet": (".parquet", ".pq"),
    "json": (".jsonl", ".ndjson", ".json"),
    "arrow": (".arrow", ".feather", ".ipc"),
    "orc": (".orc",),
    "excel": (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
}
COMPANION_SUFFIXES = (
    *(".crc", ".json", ".avro", ".puffin", ".stats", ".text", ".md5", ".sha256", ".asc", ".lock", ".tmp", ".bak"),
    *(".md", ".rst", ".html", ".htm", ".pdf", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".log", ".sql"),
    *(".py", ".ipynb", ".r", ".sh", ".png", ".jpg", ".jpeg", ".gif", ".svg"),
)
COMPANION_NAMES = {"readme", "license", "licence", "changelog", "thumbs"}
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)


def open_file(source: SourceSpec) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return (file system, path); raises SpecError for an address that must not be read, UnsuitablePath for a FIFO."""
    path, options = checked_address(source)
    check_local_parts(path)
    filesystem, path = open_filesystem(path, **options)
    filesystem.invalidate_cache()  # a listing of last night is out of date
    return filesystem, path


def list_source_files(filesystem: fsspec.AbstractFileSystem, path: str, kind: str = "") -> list[str]:
    """List the files of a glob, a folder or a single path, sorted.

    Bookkeeping of other tools below the path is skipped, as pyarrow and Spark skip it: folders and files whose names
    start with . or _, such as _delta_log, .ipynb_checkpoints and _SUCCESS, but not a hive folder such as _x=1; and
    files of a folder that hold other things than tables, such as .crc and README.md. What the path names is read.

    Args:
        filesystem: The file system of `path`.
        path: A glob, a folder or a file.
        kind: The kind of the source; its own suffixes are never skipped.

    Returns:
        The paths of the files; at least one.

    Raises:
        FileNotFoundError: No file matches.
        UnsuitablePath: A local path is neither a file nor a folder, or too many files lie below it.
    """
    is_local = isinstance(filesystem, LocalFileSystem)
    filesystem = BoundedFileSystem() if is_local else filesystem
    if is_glob(filesystem, path):
        base = fixed_folder(path)
        matches = filesystem.glob(path)
        check_local_files(matches if is_local else [])
        listed = [name for name in matches if filesystem.isfile(name)]
        explicit = [part for part in path.removeprefix(base).split("/") if part.startswith((".", "_"))]
        names = [name for name in listed if not is_hidden(name.removeprefix(base), explicit)]
    elif filesystem.isfile(path):
        names = [path]
    else:
        listed = [name for name in filesystem.find(path) if not is_hidden(name.removeprefix(path))]
        names = [name for name in listed if not _is_companion(name, kind)] or listed
    if not names:
        if not is_local:
            filesystem.info(path)  # raises why: fsspec lists nothing too if a server does not answer
        raise FileNotFoundError(path)
    check_local_files(names if is_local else [])
    return sorted(names)


def is_glob(filesystem: fsspec.AbstractFileSystem, path: str) -> bool:
    """Return whether a path is a pattern and not the name of a file or folder."""
    return GLOB_CHARACTER.search(path) is not None and not filesystem.exists(path)


def fixed_folder(path: str) -> str:
    """Return the folder of a glob above its first pattern."""
    first = GLOB_CHARACTER.search(path)
    return path[: first.start()].rpartition("/")[0] if first else path


def is_hidden(relative: str, explicit: Sequence[str] = ()) -> bool:
    """Return whether a file is bookkeeping by its name or by that of a folder, unless `explicit` names both."""
    *folders, file = relative.strip("/").split("/")
    hidden = [part for part in folders if part.startswith((".", "_")) and "=" not in part]
    hidden += [file] if file.startswith((".", "_", "~")) else []
    return any(not any(fnmatch.fnmatchcase(part, pattern) for pattern in explicit) for part in hidden)


def _is_companion(name: str, kind: str) -> bool:
    file = name.rsplit("/", 1)[-1].lower()
    if file.partition(".")[0] in COMPANION_NAMES and file.endswith((".txt", ".md", ".rst")):
        return True
    own = file.endswith(SUFFIXES.get(kind, ()))
    return not own and (file.endswith(COMPANION_SUFFIXES) or file in COMPANION_NAMES)


def short_name(name: str) -> str:
    """Return the last folder and the name of a file, for a message."""
    return "/".join(name.rsplit("/", 2)[-2:])


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
