"""Read Delta and Iceberg tables through their own libraries, so that removed files and deleted rows stay out."""

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any

import fsspec
import pyarrow as pa

from tasks.sources.addresses import HTTP_PROTOCOLS, PINNED_PROTOCOLS, UNCHECKED_PROTOCOLS
from tasks.sources.files.filesystem import open_file
from tasks.sources.limits import check_bytes, check_rows, source_error
from tasks.sources.schemas import convert, plain_type
from tasks.sources.spec import SourceSpec

NETWORK_PREFIXES = tuple(f"{protocol}://" for protocol in (*HTTP_PROTOCOLS, *PINNED_PROTOCOLS, *UNCHECKED_PROTOCOLS))
METADATA_VERSION = re.compile(r"v?(\d+)[^/]*\.metadata\.json(?:\.gz)?$|v(\d+)\.gz\.metadata\.json$")
DELTA_OPTIONS = {  # fsspec's options of a bucket, and the names that the libraries give them
    "key": "AWS_ACCESS_KEY_ID",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
}
ICEBERG_OPTIONS = {
    "key": "s3.access-key-id",
    "secret": "s3.secret-access-key",
    "token": "s3.session-token",
    "endpoint_url": "s3.endpoint",
}


def read_lake_table(source: SourceSpec, choose: Callable[[list[str]], list[str]]) -> pa.Table:
    """Read the current version of a Delta or Iceberg table.

    Args:
        source: The source, with its secrets resolved; of kind delta or iceberg.
        choose: Picks among the column names of the table.

    Returns:
        The chosen columns; no rows if one of them is missing.
    """
    table = open_lake_table(source)
    names = [field.name for field in table.schema().fields]
    columns = list(dict.fromkeys(choose(names)))
    if set(columns) - set(names):
        return pa.table([pa.array([], pa.null())] * len(names), names=names)
    batches, size = [], 0
    for batch in _scan(table, columns, source):
        arrays = [convert(batch.column(name), plain_type(batch.column(name).type), name) for name in columns]
        batches.append(pa.RecordBatch.from_arrays(arrays, names=columns))
        size += batches[-1].nbytes
        check_bytes(size, source)
        check_rows(sum(part.num_rows for part in batches), len(columns), source)
    return pa.Table.from_batches(batches) if batches else pa.table([pa.nulls(0)] * len(columns), names=columns)


def open_lake_table(source: SourceSpec) -> Any:
    """Open the current version of a Delta or Iceberg table; raises the errors of its library.

    Args:
        source: The source, with its secrets resolved; of kind delta or iceberg.

    Returns:
        A `DeltaTable`, or a `StaticTable` of pyiceberg. Raises SourceUnreadable for a folder without Iceberg metadata.
    """
    filesystem, path = open_file(source)
    if source.path.lower().startswith(NETWORK_PREFIXES):  # their libraries connect without the check of `open_file`
        error = source_error(source, f"a table of kind {source.kind} is read from a folder or a bucket; copy it there")
        raise error
    address = source.path.rstrip("/") if "://" in source.path else path.rstrip("/")
    if source.kind == "delta":
        from deltalake import DeltaTable

        options = {DELTA_OPTIONS[name]: str(value) for name, value in source.storage.items() if name in DELTA_OPTIONS}
        if str(source.storage.get("endpoint_url", "")).startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
        return DeltaTable(address, storage_options=options or None)
    from pyiceberg.table import StaticTable

    metadata = find_metadata(filesystem, path.rstrip("/"))
    if metadata is None:
        error = source_error(source, "its folder has no metadata/*.metadata.json; name the folder of an Iceberg table")
        raise error
    scheme = f"{source.path.split('://', 1)[0]}://" if "://" in source.path else ""
    options = {ICEBERG_OPTIONS[name]: str(value) for name, value in source.storage.items() if name in ICEBERG_OPTIONS}
    return StaticTable.from_metadata(f"{scheme}{metadata.removeprefix(scheme)}", options)


def find_metadata(filesystem: fsspec.AbstractFileSystem, root: str) -> str | None:
    """Return the path of the newest metadata file of an Iceberg table, or None."""
    folder = posixpath.join(root, "metadata")
    names = filesystem.ls(folder, detail=False) if filesystem.isdir(folder) else []
    versions = {str(name): match for name in names if (match := METADATA_VERSION.search(str(name).rsplit("/", 1)[-1]))}
    hint = posixpath.join(folder, "version-hint.text")
    if filesystem.exists(hint) and (current := filesystem.cat_file(hint).decode("utf-8", "replace").strip()):
        hinted = [name for name in versions if name.rsplit("/", 1)[-1].startswith((f"v{current}.", current))]
        versions = {name: versions[name] for name in hinted} or versions
    return max(versions, key=lambda name: int(versions[name][1] or versions[name][2]), default=None)


def lake_fingerprint(source: SourceSpec) -> str:
    """Return the digest of the version of a table and of its files, which are never changed in place."""
    table = open_lake_table(source)
    if source.kind == "delta":
        state = [str(table.version()), str(table.metadata().id), *sorted(table.file_uris())]
    else:
        state = [table.metadata_location, table.metadata.model_dump_json()]
    return hashlib.sha256("\n".join(state).encode()).hexdigest()


def _scan(table: Any, columns: list[str], source: SourceSpec) -> Iterable[pa.RecordBatch]:
    """Return the rows, in an order that depends on the version of the table only."""
    if source.kind == "iceberg":
        try:
            return _sorted_batches(table.scan(selected_fields=tuple(columns)).to_arrow())
        except FileNotFoundError as moved:
            reason = f"its metadata names files below {table.location()} that do not exist; read the table where it was"
            raise source_error(source, f"{reason} written, or write its current rows to a new folder") from moved
    from deltalake.exceptions import DeltaProtocolError

    try:
        dataset = table.to_pyarrow_dataset()
    except DeltaProtocolError:  # deletion vectors and column mapping: read by the library's own engine
        return _sorted_batches(pa.table(table.scan(columns)))
    fragments = sorted(dataset.get_fragments(), key=lambda fragment: str(fragment.path))
    return (batch for part in fragments for batch in part.to_batches(schema=dataset.schema, columns=columns))


def _sorted_batches(table: pa.Table) -> Iterable[pa.RecordBatch]:
    keys = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    return table.sort_by([(name, "ascending") for name in keys]).to_batches() if keys else table.to_batches()
