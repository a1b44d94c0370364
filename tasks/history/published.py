"""The files that the nights of a pipeline have published: one per table and vintage, and two stable paths."""

import difflib
import logging
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, StoreDamaged
from tasks.history.columns import with_as_of
from tasks.history.selection import ALL_ROWS, Selection
from tasks.storage.layout import forecasts_dir, parse_vintage
from tasks.storage.store import Store
from tasks.storage.vintages import floor_to_second

log = logging.getLogger("nightcast")


class NotPublished(NightcastError):
    """The store has no table of the pipeline, the vintage or the series that is asked for."""


def published_vintages(table: str, pipeline: str, store: Store) -> dict[datetime, str]:
    """Return the paths of a published table by as-of, oldest first."""
    uris = store.list_files(f"{table}/pipeline={pipeline}")
    vintages = {moment: uri for uri in uris if uri.endswith(f"/{table}.parquet") and (moment := parse_vintage(uri))}
    return dict(sorted(vintages.items()))


def published_between(
    table: str, pipeline: str, after: datetime | None, before: datetime, store: Store
) -> list[Artifact]:
    """Return the undamaged files of a published table with after <= as-of < before, oldest first."""
    vintages = published_vintages(table, pipeline, store).items()
    chosen = [uri for as_of, uri in vintages if (after is None or as_of >= after) and as_of < floor_to_second(before)]
    return _undamaged(chosen, table, store)


def newest_published(table: str, pipeline: str, before: datetime, count: int, store: Store) -> list[Artifact]:
    """Return the undamaged files among the `count` newest of a published table with as-of < before, oldest first."""
    vintages = published_vintages(table, pipeline, store).items()
    chosen = [uri for as_of, uri in vintages if as_of < floor_to_second(before)]
    return _undamaged(chosen[-count:], table, store)


def _undamaged(uris: list[str], table: str, store: Store) -> list[Artifact]:
    artifacts = []
    for uri in uris:
        try:
            artifacts.append(store.table_at(uri, table))
        except StoreDamaged as damaged:  # what it had is published again
            log.warning("vintage skipped: %s", damaged)
    return artifacts


def read_vintage(uri: str, store: Store, selection: Selection = ALL_ROWS) -> pa.Table:
    """Read one published table.

    Args:
        uri: The path of a published table.
        store: The store that holds it.
        selection: The rows to read.

    Returns:
        The rows, with the column `as_of` if the path has a vintage.

    Raises:
        StoreDamaged: The file is missing or not a complete table.
    """
    table = read_rows(uri, store, selection)
    as_of = parse_vintage(uri)
    return with_as_of(table, as_of) if as_of else table


def read_rows(uri: str, store: Store, selection: Selection = ALL_ROWS) -> pa.Table:
    """Read the selected rows of a Parquet file of the store.

    Args:
        uri: The path of the file.
        store: The store that holds it.
        selection: The rows to read.

    Returns:
        The rows with all columns.

    Raises:
        StoreDamaged: The file is missing or not a complete table.
    """
    source = pa.BufferReader(store.bytes_at(uri))
    try:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        rows = selection.filter_of(file.schema_arrow.names)
        source.seek(0)
        return pq.read_table(source, filters=rows, page_checksum_verification=True).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as torn:
        reason = str(torn).splitlines()[0]
        raise StoreDamaged(uri, f"is not a complete Parquet table: {reason}") from torn


def column_names(uri: str, store: Store) -> list[str]:
    """Return the columns of a Parquet file of the store. Raises StoreDamaged if it is missing or torn."""
    try:
        names: list[str] = pq.read_schema(pa.BufferReader(store.bytes_at(uri))).names
    except (pa.ArrowException, OSError) as torn:
        raise StoreDamaged(uri, f"is not a complete Parquet table: {str(torn).splitlines()[0]}") from torn
    return names


def list_published_pipelines(store: Store) -> list[str]:
    """Return the names of the pipelines that have published a forecast in the store."""
    parts = (uri.split("/") for uri in store.list_files("forecasts"))
    return sorted({part[1].removeprefix("pipeline=") for part in parts if len(part) > 2 and "=" in part[1]})


def require_published(table: str, pipeline: str, store: Store) -> dict[datetime, str]:
    """Return the vintages of a table. Raises NotPublished, with the pipelines that the store has, without any."""
    vintages = published_vintages(table, pipeline, store)
    if vintages:
        return vintages
    if store.list_files(forecasts_dir(pipeline)):
        raise NotPublished(
            f"pipeline {pipeline!r} has published no {table} in the store {store.display_root!r} yet: the first night "
            "after the forecast times have passed writes them. Run nightcast nightly again then."
        )
    known = list_published_pipelines(store)
    names = f"The store has forecasts of {', '.join(known)}{nearest(pipeline, known)}." if known else "It is empty."
    raise NotPublished(
        f"pipeline {pipeline!r} has published nothing in the store {store.display_root!r}. {names} Run "
        f"nightcast nightly {pipeline} first, or set NIGHTCAST_STORE to the store that has its forecasts."
    )


def nearest(name: str, known: list[str]) -> str:
    """Return a question with the name in `known` that is most like `name`; empty if none is similar."""
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
