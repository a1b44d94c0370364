"""What readers notice from one vintage to the next: quantile levels, columns, series. Derived from the vintages.

changes/pipeline=<name>.md has a section per vintage that differs from the one before; the first vintage has none.
"""

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.errors import StoreDamaged
from tasks.history.columns import AS_OF, TIMESTAMP
from tasks.history.published import published_vintages
from tasks.modeling.scores import quantile_levels, quantile_name
from tasks.storage.layout import changes_uri, vintage_name
from tasks.storage.store import Store

MAX_NAMES = 20
SECTION = re.compile(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SCHEMA = pa.schema([(AS_OF, TIMESTAMP), ("change", pa.string()), ("names", pa.string())])


class VintageShape(NamedTuple):
    """What readers rely on in a vintage: its columns, of which some are quantiles, and its series."""

    columns: frozenset[str]
    series: frozenset[str]


class VintageChange(NamedTuple):
    """One difference of a vintage from the one before."""

    change: str
    names: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The change and the first names."""
        more = len(self.names) - MAX_NAMES
        return f"{self.change}: {', '.join(self.names[:MAX_NAMES])}" + (f" and {more:,} more" if more > 0 else "")


def shape_of(table: pa.Table) -> VintageShape:
    """Return columns and series of a forecast table.

    Args:
        table: A published forecast, in which `as_of` may be missing.

    Returns:
        Its shape.
    """
    names = frozenset(str(name) for name in table["unique_id"].unique().to_pylist())
    return VintageShape(frozenset(table.column_names) | {AS_OF}, names)


def shape_of_file(file: pq.ParquetFile) -> VintageShape:
    """Return columns and series of a forecast file, as `shape_of` does; only the names of the series are read.

    Args:
        file: A published forecast, opened.

    Returns:
        Its shape. Raises ArrowException or OSError if the file is damaged.
    """
    shape = shape_of(file.read(columns=["unique_id"]))
    return shape._replace(columns=shape.columns | set(file.schema_arrow.names))


def diff_vintages(before: VintageShape, after: VintageShape) -> tuple[VintageChange, ...]:
    """Return what differs, quantile levels first."""
    levels, other_levels = quantile_levels(before.columns), quantile_levels(after.columns)
    changes = {
        "quantile levels added": [name for name in other_levels if name not in levels],
        "quantile levels dropped": [name for name in levels if name not in other_levels],
        "columns added": sorted(after.columns - before.columns - set(other_levels)),
        "columns dropped": sorted(before.columns - after.columns - set(levels)),
        "series added": sorted(after.series - before.series),
        "series gone": sorted(before.series - after.series),
    }
    return tuple(VintageChange(change, tuple(names)) for change, names in changes.items() if names)


def describe_level_change(published: Collection[str], levels: Iterable[float]) -> str:
    """Say how the quantile levels of a spec differ from the columns of the newest vintage; empty if they do not."""
    now, before = {quantile_name(level) for level in levels}, set(quantile_levels(published))
    parts = [("added", sorted(now - before)), ("dropped", sorted(before - now))]
    texts = [f"{', '.join(names)} {word}" for word, names in parts if names]
    if not before or not texts:
        return ""
    return (
        f"the quantile levels differ from the newest published vintage: {'; '.join(texts)}. Readers of all vintages "
        "need the lines of tasks/history/README.md"
    )


def list_changes(pipeline: str, store: Store, until: datetime | None = None) -> pa.Table:
    """List the changes of every vintage, from the forecasts themselves.

    Args:
        pipeline: The name of the pipeline.
        store: The store that holds the vintages.
        until: The last vintage that counts; None: all.

    Returns:
        A row per change: as_of, change, names.
    """
    rows: list[dict[str, object]] = []
    before: VintageShape | None = None
    for as_of, shape in _shapes(pipeline, store):
        if until and as_of > until:
            break
        for item in diff_vintages(before, shape) if before else ():
            rows.append({AS_OF: as_of, "change": item.change, "names": ", ".join(item.names)})
        before = shape
    return pa.Table.from_pylist(rows, SCHEMA)


def record_changes(pipeline: str, as_of: datetime, store: Store) -> tuple[str, ...]:
    """Write the section of a vintage, and that of the next one, to the record of changes.

    A record that is missing is written from all vintages, so the same vintages give the same bytes.

    Args:
        pipeline: The name of the pipeline.
        as_of: The vintage that was published.
        store: The store, with the lease of the pipeline.

    Returns:
        What differs from the vintage before, as sentences.
    """
    uri, vintages = changes_uri(pipeline), list(published_vintages("forecasts", pipeline, store))
    text = store.bytes_at(uri).decode("utf-8", "replace") if store.list_files(uri) else None
    sections = dict(SECTION.findall(text or ""))
    index = next((number for number, moment in enumerate(vintages) if moment >= as_of.replace(microsecond=0)), 0)
    affected = vintages if text is None else vintages[index : index + 2]
    shapes = dict(_shapes(pipeline, store, {*affected, *vintages[max(index - 1, 0) : index]}))
    for moment in affected:
        earlier = [other for other in shapes if other < moment]
        changes = diff_vintages(shapes[earlier[-1]], shapes[moment]) if earlier and moment in shapes else ()
        sections[vintage_name(moment)] = "".join(f"- {item.sentence}\n" for item in changes) + "\n"
    body = "".join(f"## {name}\n\n{section}" for name, section in sorted(sections.items()) if section.strip())
    title = f"# Changes of the forecasts of {pipeline}\n\nWhat readers notice, by vintage.\n\n"
    store.put_at((title + body).encode(), "changes", uri)
    own = sections.get(vintage_name(as_of), "")
    return tuple(line.removeprefix("- ") for line in own.splitlines() if line)


def _read_shape(uri: str, store: Store) -> VintageShape:
    """Read no more than the schema and the names of the series."""
    try:
        file = pq.ParquetFile(pa.BufferReader(store.bytes_at(uri)), page_checksum_verification=True)
        return shape_of_file(file)
    except (pa.ArrowException, OSError) as torn:
        raise StoreDamaged(uri, "is not a complete Parquet table") from torn


def _shapes(
    pipeline: str, store: Store, wanted: Collection[datetime] | None = None
) -> Iterable[tuple[datetime, VintageShape]]:
    """Yield the shape of each undamaged vintage, oldest first."""
    for moment, uri in published_vintages("forecasts", pipeline, store).items():
        if wanted is None or moment in wanted:
            try:
                yield moment, _read_shape(uri, store)
            except StoreDamaged:
                continue
