"""Check that the champion can be read, and restore its bundle from a copy with the same digest.

The registry keeps the bundle of every version as `weights.safetensors`. A copy is used only if its digest is that of
the decision record, so a restored champion is the same model, byte for byte.
"""

import hashlib
import logging

from pydantic import ValidationError

from data_contracts.errors import NightcastError, redact
from data_contracts.spec import Spec
from tasks.engine.cached_only import computes_nothing
from tasks.modeling.candidate import Candidate, load_bundle, read_bundle
from tasks.modeling.golden_replay import current_conditions
from tasks.registry.mlflow_registry import WEIGHTS_FILE, ModelRegistry, TrackingSettings
from tasks.storage.layout import MLFLOW_DIR
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


class ChampionCheck(Spec):
    """Outcome of checking a champion.

    `fault` is why its bundle could not be read, empty if it could. `restored_from` is the copy that replaced it; empty
    if nothing was restored.
    """

    fault: str = ""
    restored_from: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether the champion cannot be read and no copy of it was available."""
        return bool(self.fault and not self.restored_from)


def champion_fault(champion: Candidate, store: Store, is_replayed: bool = False) -> str:
    """Return why the bundle of a champion cannot be used; empty if it is intact.

    Its golden forecast is replayed, which loads torch, except in a run that computes no forecast.

    Args:
        champion: The champion on record.
        store: The store of its bundle.
        is_replayed: A run is on record that replayed the golden forecast of the same bytes under the conditions of
            this process: the digest of the bytes is then enough.

    Returns:
        The reason in one clause.
    """
    try:
        (read_bundle if is_replayed or computes_nothing() else load_bundle)(champion, store)
    except (NightcastError, ValidationError) as error:
        return str(error).partition(". ")[0]
    return ""


def check_champion(
    champion: Candidate, pipeline: str, tracking: TrackingSettings | None, store: Store
) -> ChampionCheck:
    """Check the bundle of a champion, and restore it from the registry if it is damaged.

    Args:
        champion: The champion on record.
        pipeline: Name of the pipeline.
        tracking: Where MLflow is; None if it may not be asked.
        store: The store whose file is restored.

    Returns:
        What was wrong, and where the restored bytes come from.
    """
    fault = champion_fault(champion, store)
    if not fault:
        return ChampionCheck()
    source = _restore_from_store(champion, store) or _restore_from_registry(champion, pipeline, tracking, store)
    return ChampionCheck(fault=fault, restored_from=source if not champion_fault(champion, store) else "")


class ChampionGuard:
    """The champion of one run: checked and restored when the run begins, and checked again when it is described.

    Training can restore it in between: the same inputs give the same bytes. `argument` is how the command line names
    the pipeline.
    """

    def __init__(
        self, champion: Candidate | None, argument: str, pipeline: str, tracking: TrackingSettings | None, store: Store
    ) -> None:
        self.champion, self.argument, self.store = champion, argument, store
        self.conditions = current_conditions()  # before an upgrade that happens while the run goes on
        self.is_cached = computes_nothing()
        self.check = check_champion(champion, pipeline, tracking, store) if champion else ChampionCheck()
        for notice in self.notices:
            log.warning("! %s", notice)

    @property
    def replayed(self) -> str:
        """Digest of the champion if its golden forecast was replayed when the run began; empty if it was not."""
        return self.champion.bundle.digest if self.champion and not self.check.is_lost and not self.is_cached else ""

    @property
    def fault(self) -> str:
        """Why the champion cannot be read now; empty if it can."""
        return champion_fault(self.champion, self.store) if self.champion and self.check.is_lost else ""

    @property
    def notices(self) -> tuple[str, ...]:
        """What was wrong with the champion, what was done, and what to do."""
        if not self.champion or not self.check.fault:
            return ()
        if self.fault:
            return (
                f"champion {self.champion.label} cannot be read ({self.fault}) and the registry has no copy of it, so "
                f"no model is promoted: run nightcast champion restore {self.argument}",
            )
        source = self.check.restored_from or "the training of this run, which gave the same bytes"
        return (f"champion {self.champion.label} was damaged ({self.check.fault}) and is restored from {source}",)


def _restore_from_store(champion: Candidate, store: Store) -> str:
    """Restore the bundle from the registry's files inside the store, also if its database is damaged."""
    for uri in store.list_files(f"{MLFLOW_DIR}/artifacts"):
        if uri.endswith(f"/{WEIGHTS_FILE}") and _write_if_same(
            champion, store.get_bytes(store.artifact_at(uri)), store
        ):
            return uri
    return ""


def _restore_from_registry(champion: Candidate, pipeline: str, tracking: TrackingSettings | None, store: Store) -> str:
    if tracking is None or tracking.database_is_missing:
        return ""
    try:
        data = ModelRegistry(tracking, pipeline).read_weights(champion.bundle.digest)
    except Exception as error:  # noqa: BLE001 - any error of the registry means that it has no copy
        log.warning("the registry has no copy of %s: %s", champion.label, redact(str(error)))
        return ""
    return f"the registry, version {champion.version}" if data and _write_if_same(champion, data, store) else ""


def _write_if_same(champion: Candidate, data: bytes, store: Store) -> bool:
    if hashlib.sha256(data).hexdigest() != champion.bundle.digest:
        return False
    store.put_at(data, "bundle", champion.bundle.uri)
    return True
