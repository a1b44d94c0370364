"""Load a clean table as columns of numbers: the steps of a night read the same tables, which are decoded once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from threading import Lock

import pandas as pd

from data_contracts.artifact import Artifact
from models.data.mapped_pages import mapping_of
from models.data.panel_table import PARTITION_ROWS, PanelTable
from tasks.engine.machine_memory import release_unused_memory
from tasks.engine.mapped_memory import move_to_file
from tasks.storage.series_rows import open_series_files
from tasks.storage.store import Store

MAX_KEPT_BYTES = 256 * 2**20  # of decoded tables in memory: a table that does not fit besides others is mapped

_kept: dict[tuple[str, str], PanelTable] = {}  # by digest, and what was read: of this night
_lock = Lock()


def load_clean_table(clean: Artifact, store: Store) -> PanelTable:
    """Load the clean table of this night. Its values are read-only, because the steps of a night share them.

    Args:
        clean: The clean table.
        store: The store that holds it.

    Returns:
        The table; one row group at a time is held as a frame.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
    """
    return _load(clean, "all", lambda: PanelTable.from_parts(_frames(clean, store), clean.rows), store)


def load_series_steps(clean: Artifact, store: Store) -> PanelTable:
    """Load the series of the clean table of this night and their steps, without a value. Raises StoreDamaged."""
    return _load(clean, "steps", lambda: PanelTable.from_parts(_frames(clean, store, ["unique_id", "ds"]), 0), store)


def load_clean_until(clean: Artifact, last: pd.Timestamp, rows: int, store: Store) -> PanelTable:
    """Load the rows of the clean table of this night up to a time; later rows take no memory.

    Args:
        clean: The clean table.
        last: The time of the last rows (UTC).
        rows: How many rows there are until then.
        store: The store that holds it.

    Returns:
        The table of these rows, read-only.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
    """

    def decode() -> PanelTable:
        frames = (frame[(frame["ds"] <= last).to_numpy()] for frame in _frames(clean, store))
        return PanelTable.from_parts((frame for frame in frames if len(frame)), rows)

    return _load(clean, f"until {last.isoformat()}", decode, store)


def load_clean_series(clean: Artifact, names: Sequence[str], rows: int, store: Store) -> PanelTable:
    """Load some series of the clean table of this night, in a process that needs no others.

    Args:
        clean: The clean table.
        names: The series, sorted.
        rows: How many rows they have together.
        store: The store that holds it.

    Returns:
        The table of these series.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
    """
    count = max(1, len(names) * PARTITION_ROWS // max(rows, 1))
    with open_series_files([clean], store) as (file,):
        parts = (names[begin : begin + count] for begin in range(0, len(names), count))
        return PanelTable.from_parts((file.select(part, file.columns).to_pandas() for part in parts), rows)


def keep_clean_table(clean: Artifact, table: PanelTable, store: Store) -> None:
    """Keep the table that was just stored as `clean`, so that the next step of this night need not decode it.

    Args:
        clean: The stored table.
        table: What `load_clean_table` returns for it. Its values become read-only.
        store: The store that holds it.
    """
    _load(clean, "all", lambda: table, store)


def iterate_clean_parts(clean: Artifact, store: Store) -> Iterator[PanelTable]:
    """Read the clean table of another night part by part; the tables of this night stay kept.

    Args:
        clean: The clean table.
        store: The store that holds it.

    Yields:
        Whole series in order, those of a row group at a time.

    Raises:
        StoreDamaged: The file is missing or its digest differs.
    """
    pending = pd.DataFrame()
    for frame in (frame for frame in _frames(clean, store) if len(frame)):
        if len(pending) and pending["unique_id"].iloc[-1] == frame["unique_id"].iloc[0]:  # goes on in the next group
            pending = pd.concat([part.astype({"unique_id": "str"}) for part in (pending, frame)], ignore_index=True)
            continue
        if len(pending):
            yield PanelTable.from_parts([pending], len(pending))
        pending = frame
    if len(pending):
        yield PanelTable.from_parts([pending], len(pending))


def read_clean_series(clean: Artifact, names: Collection[str], store: Store) -> pd.DataFrame:
    """Read the rows of some series of the clean table of another night. Raises StoreDamaged."""
    with open_series_files([clean], store) as (file,):
        return file.select(names, file.columns).to_pandas()


def _load(clean: Artifact, what: str, decode: Callable[[], PanelTable], store: Store) -> PanelTable:
    with _lock:
        if (clean.digest, what) in _kept:
            store.check(clean)
        else:
            if any(digest != clean.digest for digest, _ in _kept) or _bytes_in_memory(_kept.values()) > MAX_KEPT_BYTES:
                _kept.clear()
                release_unused_memory()
            _kept[clean.digest, what] = _share(decode())
        return _kept[clean.digest, what]


def _share(table: PanelTable) -> PanelTable:
    """Return the table with read-only columns, in files if they do not fit the memory for kept tables."""
    if _bytes_in_memory([*_kept.values(), table]) > MAX_KEPT_BYTES:
        table = replace(table, numbers={name: move_to_file(values) for name, values in table.numbers.items()})
    for values in table.numbers.values():
        values.flags.writeable = False
    return table


def _bytes_in_memory(tables: Iterable[PanelTable]) -> int:
    return sum(values.nbytes for table in tables for values in table.numbers.values() if mapping_of(values) is None)


def _frames(clean: Artifact, store: Store, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    groups = store.row_groups(clean, columns, dictionaries=["unique_id"])
    return (group.to_pandas(split_blocks=True) for group in groups)
