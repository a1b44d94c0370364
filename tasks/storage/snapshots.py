"""Records of what each night read, so that the next night finds revised values and reads only new rows.

snapshots/pipeline=<name>/vintage=<as-of>.json, one per night that read its source to the end. Only records of
earlier nights are used, so a night that is run again gets the same result.
"""

from datetime import datetime

from pydantic import ValidationError

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.storage import files
from tasks.storage.layout import latest_history_uri, record_uri, snapshots_dir
from tasks.storage.store import Store
from tasks.storage.vintages import newest_record_before, publish_latest_history


class Snapshot(Spec):
    """The tables of one night; `reading` is the digest of the DatasetSpec that they were read with."""

    as_of: datetime
    reading: str
    raw: Artifact
    clean: Artifact
    cutoff: datetime


def record_snapshot(snapshot: Snapshot, pipeline: str, store: Store) -> None:
    """Write the record of what a night read."""
    store.write_json(record_uri(snapshots_dir(pipeline), snapshot.as_of), snapshot.model_dump(mode="json"))


def restore_latest_history(pipeline: str, as_of: datetime, store: Store, now: datetime | None = None) -> None:
    """Publish the history of an earlier vintage, which is the newest again, at its stable path.

    Without its table, which `nightcast gc` deletes with old nights, the path is left empty: a history of another
    vintage would mislead.
    """
    record = store.read_json(record_uri(snapshots_dir(pipeline), as_of))
    clean = Snapshot.model_validate(record).clean if record else None
    if clean and store.contains(clean):
        publish_latest_history(clean, pipeline, as_of, store, now)
    else:
        files.remove(store.root, latest_history_uri(pipeline))


def snapshot_at(pipeline: str, as_of: datetime, store: Store) -> Snapshot | None:
    """Return the snapshot of the night of this as-of; None if the record is missing or torn."""
    return _read(record_uri(snapshots_dir(pipeline), as_of), store)


def snapshot_before(pipeline: str, as_of: datetime, store: Store) -> Snapshot | None:
    """Return the snapshot of the newest earlier night; None if the record is missing or torn."""
    newest = newest_record_before(snapshots_dir(pipeline), as_of, store)
    return _read(newest, store) if newest else None


def _read(uri: str, store: Store) -> Snapshot | None:
    try:
        return Snapshot.model_validate(store.read_json(uri))
    except ValidationError:
        return None
