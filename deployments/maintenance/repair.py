"""Carry out the repairs of a check: each is proved by bytes that the store holds, and none deletes what is unique."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from data_contracts.errors import StoreDamaged
from deployments.maintenance.finding import Damage, Repair
from tasks.registry import champions
from tasks.registry.database import close_connections, database_fault
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.rebuild import restore_versions, unrestorable_versions
from tasks.results.manifest import read_finished
from tasks.storage import files
from tasks.storage.inventory import forbid_others
from tasks.storage.kinds import kind_of
from tasks.storage.layout import MLFLOW_DIR, decisions_dir, lost_uri, parse_vintage
from tasks.storage.snapshots import Snapshot, record_snapshot
from tasks.storage.store import Store

ORDER = ("restore", "close", "delete", "set aside", "rebuild snapshot", "publish latest", "registry", "alias")
DATABASE_FILES = ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal")


class Repairer:
    """Carries out repairs on a store; `stores` are the pipelines whose lease is held, with their fenced store."""

    def __init__(self, store: Store, stores: dict[str, Store], tracking: TrackingSettings | None) -> None:
        self.store, self.stores, self.tracking = store, stores, tracking

    def carry_out(self, findings: Sequence[Damage]) -> Iterator[str]:
        """Carry out the repair of every finding that has one; yield a sentence about each."""
        repairs = list(dict.fromkeys(finding.repair for finding in findings if finding.repair))
        data = {}  # read before anything is written: two swapped files are each other's copy
        for repair in repairs:
            if repair.action in ("restore", "publish latest"):
                try:
                    data[repair] = self.store.get_bytes(self.store.artifact_at(repair.source))
                except StoreDamaged:
                    continue
        for repair in sorted(repairs, key=lambda repair: ORDER.index(repair.action)):
            if repair.action in ("restore", "publish latest"):
                if repair in data:
                    with self._owner_of(repair.uri).fenced_write():
                        files.write(self.store.root, repair.uri, data[repair])
                    yield repair.sentence
            elif self._apply(repair):
                yield repair.sentence

    def _owner_of(self, uri: str) -> Store:
        """Return the store that may write a path: with the lease of its pipeline, if it has one."""
        return self.stores.get(kind_of(uri).pipeline, self.store)

    def _apply(self, repair: Repair) -> bool:
        if repair.action == "close":
            forbid_others(self.store.root, repair.uri)
        elif repair.action == "delete":
            files.remove(self.store.root, repair.uri)
        elif repair.action == "set aside":
            return self._move_away(repair.uri)
        elif repair.action == "rebuild snapshot":
            return self._rebuild_snapshot(repair.uri)
        elif repair.action == "registry":
            return self._rebuild_registry(repair.uri)
        elif repair.action == "alias":
            return self._point_alias(repair.uri)
        return True

    def _move_away(self, uri: str) -> bool:
        """Move a damaged file to lost+found/: it may still hold what a person can use."""
        try:
            artifact = self.store.artifact_at(uri)
        except StoreDamaged:
            return False
        files.write(self.store.root, lost_uri(uri, artifact.digest), self.store.get_bytes(artifact))
        with self._owner_of(uri).fenced_write():
            files.remove(self.store.root, uri)
        return True

    def _rebuild_snapshot(self, uri: str) -> bool:
        """Write the snapshot of a night from its newest manifest. The next incremental read then reads everything."""
        pipeline, night = kind_of(uri).pipeline, parse_vintage(uri)
        for manifest in read_finished(self.store, pipeline):
            story = manifest["story"]
            snapshot = Snapshot(
                as_of=datetime.fromisoformat(story["night"]["as_of"]),
                reading="",
                raw=story["raw"],
                clean=story["validated"]["clean"],
                cutoff=story["validated"]["cutoff"],
            )
            if snapshot.as_of.replace(microsecond=0) == night:
                record_snapshot(snapshot, pipeline, self._owner_of(uri))
                return True
        return False

    def _rebuild_registry(self, names: str) -> bool:
        """Register the decided models again; a database that cannot be used is moved to lost+found/ before."""
        tracking, pipelines = self.tracking, [name for name in names.split(", ") if name]
        if tracking is None:
            return False
        fault = database_fault(tracking.database)
        passed = not fault and any(unrestorable_versions(tracking, name, self.store) for name in pipelines)
        if fault or passed:
            close_connections(tracking.uri)
            for name in DATABASE_FILES:
                self._move_away(f"{MLFLOW_DIR}/{name}")
            pipelines = sorted(name for name in self.stores if self.store.list_files(decisions_dir(name)))
        for name in pipelines:
            restore_versions(tracking, name, self.store)
            self._point_alias(name)
        return True

    def _point_alias(self, pipeline: str) -> bool:
        champion = champions.champion_at(pipeline, datetime.now(UTC), self.store)
        if champion is None or self.tracking is None:
            return False
        with self._owner_of(f"{decisions_dir(pipeline)}/").fenced_write():
            return ModelRegistry(self.tracking, pipeline).set_alias("champion", champion.version)
