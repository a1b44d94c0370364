"""What each night read, so that the next one can say what changed in the past, and need not read all of it again.

snapshots/pipeline=<name>/vintage=<as-of>.json, one a night that read its source to the end. A night that is run again
meets what it met the first time: only earlier nights count.
"""

from datetime import datetime

from pydantic import ValidationError

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.storage.layout import record_uri, snapshots_dir
from tasks.storage.store import Store
from tasks.storage.vintages import newest_record_before


class Snapshot(Spec):
    """The tables of one night; `reading` is the digest of how they were read."""

    as_of: datetime
    reading: str
    raw: Artifact
    clean: Artifact
    cutoff: datetime


def record_snapshot(snapshot: Snapshot, pipeline: str, store: Store) -> None:
    """Remember what a night read."""
    store.write_json(record_uri(snapshots_dir(pipeline), snapshot.as_of), snapshot.model_dump(mode="json"))


def snapshot_before(pipeline: str, as_of: datetime, store: Store) -> Snapshot | None:
    """What the newest earlier night read; None where there is none, or its record is torn."""
    newest = newest_record_before(snapshots_dir(pipeline), as_of, store)
    try:
        return Snapshot.model_validate(store.read_json(newest)) if newest else None
    except ValidationError:
        return None
