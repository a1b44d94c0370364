"""Recognise folders of Delta Lake, Iceberg and Hudi, whose files are not all part of the table, by their logs."""

import importlib.util
import json
import logging
import posixpath
import re
from typing import Any, Literal

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.sources.files.filesystem import fixed_folder, is_glob, open_file
from tasks.sources.files.lake_reader import find_metadata, open_lake_table
from tasks.sources.limits import source_error
from tasks.sources.spec import SourceSpec

log = logging.getLogger("nightcast")

LAKE_PACKAGES = {"delta": "deltalake", "iceberg": "pyiceberg"}
HUDI_FILE = re.compile(r"/([^/_]+)_[^/_]+_\d+\.parquet$")  # <file id>_<write token>_<instant>.parquet


def resolve_lake_table(source: SourceSpec) -> SourceSpec:
    """Return the source, as kind delta or iceberg if it names a Parquet folder that has a log.

    A log without a removed file, or one that is not a log at all, is passed over: then every file is part of the table.

    Args:
        source: The source, with its secrets resolved.

    Returns:
        The source that reads the table as its log says. Raises SourceUnreadable if files of the folder are not part of
        the table and the library of the log is not installed.
    """
    if source.kind != "parquet":
        return source
    filesystem, path = open_file(source)
    kind, root = _find_log(filesystem, path)
    if kind is None:
        return source
    if kind == "hudi":
        _check_hudi(filesystem, root, source)
        return source
    package = LAKE_PACKAGES[kind]
    scheme = f"{source.path.split('://', 1)[0]}://" if "://" in source.path else ""
    lake = source.model_copy(update={"kind": kind, "path": f"{scheme}{root}"})
    if importlib.util.find_spec(package) and not _is_partition(path, root):
        if lake_is_readable(lake):
            return lake
    elif _has_metadata(filesystem, root, kind):
        title = {"delta": "a Delta table", "iceberg": "an Iceberg table"}[kind]
        way = (
            f"give the folder of the table, {root}"
            if _is_partition(path, root)
            else f"install its reader with: pip install 'nightcast[{kind}]'"
        )
        error = source_error(
            source, f"it is {title}, whose folder also holds rows that were replaced or deleted; {way}"
        )
        raise error
    if _mentions_removal(filesystem, root, kind):
        error = source_error(
            source,
            f"its log of kind {kind} names removed files but cannot be read, so that deleted rows would come back; "
            "repair the log, or write the current rows to a new folder",
        )
        raise error
    log.warning("%s: its folder of kind %s has a log that names no table; every file is read", source.label, kind)
    return source


def lake_is_readable(source: SourceSpec) -> bool:
    """Return whether the library of the format can open the table."""
    try:
        open_lake_table(source)
    except Exception as error:  # noqa: BLE001 - the libraries raise errors of any type
        log.debug("%s cannot be opened as %s: %s", source.label, source.kind, error)
        return False
    return True


def _find_log(
    filesystem: fsspec.AbstractFileSystem, path: str
) -> tuple[Literal["delta", "iceberg", "hudi"] | None, str]:
    """Return the format whose log lies in the folder, or above hive folders of it, and the folder of the table."""
    if filesystem.protocol in ("http", "https") or "http" in filesystem.protocol:
        return None, path
    if is_glob(filesystem, path):
        root = fixed_folder(path)
    elif filesystem.isdir(path):
        root = path.rstrip("/")
    else:
        return None, path
    while True:
        if filesystem.isdir(posixpath.join(root, "_delta_log")):
            return "delta", root
        if filesystem.isdir(posixpath.join(root, ".hoodie")):
            return "hudi", root
        if find_metadata(filesystem, root):
            return "iceberg", root
        parent, _, name = root.rpartition("/")
        if "=" not in name and name != "data":
            return None, path
        root = parent


def _is_partition(path: str, root: str) -> bool:
    """Return whether a path is a part of the table, which a library reads whole."""
    inside = fixed_folder(path).rstrip("/").removeprefix(root).strip("/")
    return inside not in ("", "data")


def _has_metadata(filesystem: fsspec.AbstractFileSystem, root: str, kind: str) -> bool:
    """Return whether the log describes a table, and is not only a folder with the name of one."""
    if kind == "iceberg":
        metadata = _read_json(filesystem, find_metadata(filesystem, root) or "")
        return any("format-version" in entry for entry in metadata)
    return any({"metaData", "protocol", "add", "remove"} & set(entry) for entry in _delta_entries(filesystem, root))


def _mentions_removal(filesystem: fsspec.AbstractFileSystem, root: str, kind: str) -> bool:
    if kind == "iceberg":
        return _has_metadata(filesystem, root, kind)
    entries = _delta_entries(filesystem, root)
    return any("remove" in entry or (entry.get("add") or {}).get("deletionVector") for entry in entries)


def _delta_entries(filesystem: fsspec.AbstractFileSystem, root: str) -> list[dict[str, Any]]:
    """Return the actions of a Delta log: of its commits, and of its checkpoints as far as they can be read."""
    entries = []
    for name in map(str, filesystem.ls(posixpath.join(root, "_delta_log"), detail=False)):
        if name.endswith(".json"):
            entries += _read_json(filesystem, name)
        elif name.endswith(".parquet"):
            try:
                with filesystem.open(name, "rb") as file:
                    entries += pq.read_table(file).to_pylist()
            except (pa.ArrowException, OSError):
                continue
    actions = [{key: value for key, value in entry.items() if isinstance(value, dict)} for entry in entries]
    return [action for action in actions if action]


def _read_json(filesystem: fsspec.AbstractFileSystem, name: str) -> list[dict[str, Any]]:
    try:
        text = filesystem.cat_file(name).decode()
        lines = [text] if name.endswith(".metadata.json") else text.splitlines()
        entries = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def _check_hudi(filesystem: fsspec.AbstractFileSystem, root: str, source: SourceSpec) -> None:
    """Raise SourceUnreadable if the folder holds several versions of a file, or changes that are not merged."""
    names = [str(name) for name in filesystem.find(root)]
    names = [name for name in names if "/.hoodie/" not in name]
    identities = [match[1] for name in names if (match := HUDI_FILE.search(name))]
    if len(set(identities)) < len(identities) or any(".log." in name.rsplit("/", 1)[-1] for name in names):
        raise source_error(
            source,
            "it is a Hudi table, whose folder also holds older versions of its rows; write its current rows to a new "
            "folder, for example with Spark or DuckDB, and name that folder",
        )
