"""Load a clean table as columns of numbers: the steps of a night read the same table, which is decoded once."""

from threading import Lock

from data_contracts.artifact import Artifact
from models.data.panel_table import PanelTable
from tasks.storage.store import Store

_newest: dict[str, PanelTable] = {}  # by digest: only the newest, because a table may take much of the memory
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
    with _lock:
        if clean.digest not in _newest:
            _newest.clear()
            _newest[clean.digest] = _decode(clean, store)
        else:
            store.check(clean)
        return _newest[clean.digest]


def read_clean_table(clean: Artifact, store: Store) -> PanelTable:
    """Read the clean table of another night, as `load_clean_table` does, and keep that of this night."""
    return _newest.get(clean.digest) or _decode(clean, store)


def _decode(clean: Artifact, store: Store) -> PanelTable:
    groups = store.row_groups(clean, dictionaries=["unique_id"])
    table = PanelTable.from_parts((group.to_pandas(split_blocks=True) for group in groups), clean.rows)
    for values in table.numbers.values():
        values.flags.writeable = False
    return table
