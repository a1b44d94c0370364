"""Carry out the repairs of a check: each is proved by bytes that the store holds, and none deletes what is unique."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from data_contracts.errors import LeaseLost, StoreDamaged, redact
from deployments.instance_lock import running_instance
from deployments.maintenance.finding import Damage, Repair
from deployments.process_environment import prefect_home
from tasks.registry import champions
from tasks.registry.aliases import point_alias
from tasks.registry.database import close_connections, database_fault
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.rebuild import restore_versions
from tasks.results.manifest import read_finished
from tasks.storage import files
from tasks.storage.failures import StoreUnusable
from tasks.storage.inventory import forbid_others
from tasks.storage.kinds import kind_of
from tasks.storage.layout import MLFLOW_DIR, decisions_dir, lost_uri, parse_vintage
from tasks.storage.snapshots import Snapshot, record_snapshot
from tasks.storage.store import Store

ORDER = ("restore", "close", "delete", "move away", "rebuild snapshot", "publish latest", "registry", "alias")
DATABASE_FILES = ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal")


class Repairer:
    """Carries out repairs on a store; `stores` are the pipelines whose lease is held, with their fenced store."""

    def __init__(self, store: Store, stores: dict[str, Store], tracking: TrackingSettings | None) -> None:
        self.store, self.stores, self.tracking = store, stores, tracking
        self.failures: dict[str, str] = {}
        """Why a repair did not work, by the path or the name of what it was to repair."""

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
            if self._try(repair, data.get(repair)):
                yield repair.sentence

    def _try(self, repair: Repair, data: bytes | None) -> bool:
        """Carry out one repair. An error is kept for the report, and the other repairs go on."""
        self.failures.pop(repair.uri, None)
        try:
            if repair.action not in ("restore", "publish latest"):
                return self._apply(repair)
            if data is not None:
                with self._owner_of(repair.uri).fenced_write():
                    files.write(self.store.root, repair.uri, data)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - of MLflow, SQLite or the disk
            self.failures[repair.uri] = redact((str(error).strip().splitlines() or [type(error).__name__])[0])
            return False
        return data is not None

    def _owner_of(self, uri: str) -> Store:
        """Return the store that may write a path: with the lease of its pipeline, if it has one."""
        return self.stores.get(kind_of(uri).pipeline, self.store)

    def _apply(self, repair: Repair) -> bool:
        if repair.action == "close":
            forbid_others(self.store.root, repair.uri)
        elif repair.action == "delete":
            files.remove(self.store.root, repair.uri)
        elif repair.action == "move away":
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
            as_of = datetime.fromisoformat(str(manifest["as_of"]))
            if as_of.replace(microsecond=0) == night:
                story = manifest["story"]
                tables = {"raw": story["raw"], "clean": story["validated"]["clean"]}
                snapshot = Snapshot(as_of=as_of, reading="", cutoff=story["validated"]["cutoff"], **tables)
                record_snapshot(snapshot, pipeline, self._owner_of(uri))
                return True
        return False

    def _rebuild_registry(self, names: str) -> bool:
        """Register the decided models again; a database that cannot be used is moved to lost+found/ before."""
        tracking, pipelines = self.tracking, [name for name in names.split(", ") if name]
        if tracking is None:
            return False
        if running_instance(prefect_home()):
            raise StoreUnusable("nightcast up serves this registry: stop it, and run nightcast fsck --repair again")
        if database_fault(tracking.database):
            close_connections(tracking.uri)
            for name in DATABASE_FILES:
                self._move_away(f"{MLFLOW_DIR}/{name}")
            pipelines = sorted(name for name in self.stores if self.store.list_files(decisions_dir(name)))
        for name in pipelines:
            if lost := restore_versions(tracking, name, self.store):
                self.failures[name] = f"{', '.join(lost)} is not in the new registry: its bundle is damaged or missing"
            self._point_alias(name)
        return True

    def _point_alias(self, pipeline: str) -> bool:
        champion = champions.champion_at(pipeline, datetime.now(UTC), self.store)
        if champion is None or self.tracking is None:
            return False
        with self._owner_of(f"{decisions_dir(pipeline)}/").fenced_write():
            registry = ModelRegistry(self.tracking, pipeline)
            return registry.get_alias("champion") == champion.version or point_alias(registry, champion.version)
