"""Checks of the registry: its database opens, every decided model has its version and weights, the alias follows."""

from collections.abc import Iterator

from data_contracts.errors import redact
from deployments.maintenance.finding import Damage, Repair
from deployments.maintenance.store_index import Record, StoreIndex
from tasks.registry.aliases import moved_version, read_alias
from tasks.registry.database import RegistryBusy, database_fault
from tasks.registry.inspection import RegistryState, read_registry
from tasks.registry.mlflow_registry import WEIGHTS_FILE, TrackingSettings
from tasks.registry.reachability import advise, describe_call, registry_fault
from tasks.registry.rebuild import decided_models, unrestorable_versions
from tasks.storage.layout import MLFLOW_DIR

FORECASTS_GO_ON = "the registry's record of the models; forecasts use the bundles in the store"


def check_registry(index: StoreIndex, tracking: TrackingSettings | None) -> Iterator[Damage]:
    """Check the registry of every pipeline that has decided about a model."""
    decisions = {pipeline: index.newest_decision(pipeline) for pipeline in index.pipelines}
    decided = {pipeline: decision for pipeline, decision in decisions.items() if decision and _champion(decision)}
    if tracking is None or not decided:
        return
    name = f"{MLFLOW_DIR}/mlflow.db" if tracking.in_store else redact(tracking.uri)
    try:
        fault = database_fault(tracking.database)
    except RegistryBusy as busy:
        yield Damage(name, "bad", "cannot be read now", FORECASTS_GO_ON, str(busy))
        return
    if fault:
        names = ", ".join(decided)
        step = "--repair moves it away and builds a new one from bundles and decisions, with the same version numbers."
        repair = Repair("registry", names) if tracking.in_store else None
        if not repair:
            step = "Restore it from a backup, or delete it: the next night that trains creates a new one."
        yield Damage(name, "bad", fault, f"{FORECASTS_GO_ON} ({names})", step, repair)
        return
    for pipeline, decision in decided.items():
        try:
            state = read_registry(tracking, pipeline)
        except Exception as error:  # noqa: BLE001 - whatever the registry answers
            fault = registry_fault(tracking) or f"cannot be read: {describe_call(error)}"
            yield Damage(name, "bad", fault, FORECASTS_GO_ON, f"{advise(fault)}.", None, pipeline)
            continue
        yield from _check_versions(name, pipeline, state, tracking, index)
        yield from _check_alias(name, pipeline, decision, state, tracking, index)
        yield from _check_weights(pipeline, state, tracking, index)


def _check_versions(
    name: str, pipeline: str, state: RegistryState, tracking: TrackingSettings, index: StoreIndex
) -> Iterator[Damage]:
    for number, (candidate, _) in sorted(decided_models(pipeline, index.store).items()):
        known = state.versions.get(str(number))
        if known and known.digest == candidate.bundle.digest:
            continue
        message = f"has no version {number} of {pipeline}, which a decision names"
        step = "Nothing to do in MLflow: the decision counts, and the bundle is checked with the other artifacts."
        if known:
            message = (
                f"has another model as version {number} of {pipeline} than a decision, digest {known.digest[:12]}…"
            )
            yield Damage(name, "note", message, FORECASTS_GO_ON, step, None, pipeline)
            continue
        if not tracking.database or index.digest(candidate.bundle.uri) != candidate.bundle.digest:
            yield Damage(name, "bad", message, FORECASTS_GO_ON, step, None, pipeline)
        elif str(number) in unrestorable_versions(tracking, pipeline, index.store):
            step = f"Nothing to do: MLflow never uses number {number} again, and the bundle is in the store."
            yield Damage(name, "note", message, FORECASTS_GO_ON, step, None, pipeline)
        else:
            step = "--repair registers it again"
            yield Damage(name, "bad", message, FORECASTS_GO_ON, step, Repair("registry", pipeline), pipeline)


def _check_alias(
    name: str, pipeline: str, decision: Record, state: RegistryState, tracking: TrackingSettings, index: StoreIndex
) -> Iterator[Damage]:
    version = str(_champion(decision).get("version"))
    alias = state.aliases.get("champion")
    if not version.isdecimal() or alias == version or version not in state.versions:
        return
    if moved := _moved_by_hand(pipeline, tracking, index):
        message = f"has the alias champion of {pipeline} at version {moved}, where a person has moved it"
        step = "The next night adopts it, or says why not and sets it back; nightcast champion show says which."
        yield Damage(name, "note", message, "whoever loads the champion from MLflow", step, None, pipeline)
        return
    message = f"has the alias champion of {pipeline} at version {alias or 'none'}, the newest decision at {version}"
    step = "--repair sets it; forecasts use the decision in the meantime."
    affected = "whoever loads the champion from MLflow"
    yield Damage(name, "bad", message, affected, step, Repair("alias", pipeline), pipeline, is_unfinished=True)


def _moved_by_hand(pipeline: str, tracking: TrackingSettings, index: StoreIndex) -> str:
    """Return the version to which a person has moved the alias; empty without the tag of this release."""
    state = read_alias(tracking, pipeline)
    return moved_version(state, pipeline, index.now, index.store) if state.last_set else ""


def _check_weights(
    pipeline: str, state: RegistryState, tracking: TrackingSettings, index: StoreIndex
) -> Iterator[Damage]:
    """Check the registry's own copies of the bundles, if they lie in the store."""
    for known in state.versions.values() if tracking.in_store else ():
        uri = f"{MLFLOW_DIR}/artifacts/{known.run}/artifacts/model/{WEIGHTS_FILE}"
        digest = index.digest(uri)
        if not known.digest or digest == known.digest:
            continue
        copies = [copy for copy in index.copies(known.digest) if copy != uri]
        message = index.describe_link(uri) or ("is missing" if digest is None else f"has digest {(digest or '')[:12]}…")
        affected = f"version {known.version} of {pipeline} in MLflow"
        step = "The store has no other copy: MLflow shows this version without its weights."
        repair = None
        if copies:
            step, repair = f"--repair restores it from {copies[0]}", Repair("restore", uri, copies[0])
        yield Damage(uri, "bad", message, affected, step, repair, pipeline)


def _champion(decision: Record) -> dict[str, str]:
    champion = decision.content.get("champion")
    return champion if isinstance(champion, dict) else {}
