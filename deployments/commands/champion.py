"""`nightcast champion`: show which model serves, check that it can be read, and restore it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from data_contracts.errors import NoChampion
from flows.pipeline.spec import PipelineSpec
from flows.runs.store_lease import hold_store
from flows.settings import Settings
from tasks.modeling.candidate import Candidate
from tasks.registry import champions
from tasks.registry.alias_report import describe_moved_alias
from tasks.registry.champion_repair import champion_fault, check_champion
from tasks.registry.manual_decisions import describe_manual_decisions
from tasks.registry.manual_promotion import list_versions
from tasks.registry.reachability import explain
from tasks.storage.layout import decisions_dir, parse_vintage
from tasks.storage.store import Store


class ChampionLost(NoChampion):
    """The champion cannot be read, and neither a copy of it nor a former champion is left."""

    def __init__(self, pipeline: str, label: str, fault: str, night: str) -> None:
        self.pipeline, self.reason = pipeline, fault
        super(NoChampion, self).__init__(
            f"champion {label} of pipeline {pipeline!r} cannot be read: {fault}. Neither the registry nor the store "
            "has a copy, and no former champion is left. Run the night that trained it again, and then this command: "
            f"nightcast nightly {pipeline} --as-of {night} && nightcast champion restore {pipeline}. Or give it up: "
            f"nightcast champion restore {pipeline} --drop; the next night then promotes the best model that beats "
            "all baselines."
        )


def show_champion(pipeline: str) -> tuple[dict[str, Any], str]:
    """Return (facts, the same as text) about the champion. Raises NoChampion if the pipeline has none."""
    spec, store, champion = _read_champion(pipeline)
    fault = champion_fault(champion, store)
    facts: dict[str, Any] = {"pipeline": spec.name, "champion": champion.label}
    decided = _describe_decision(champion, spec.name, store)
    facts |= {"bundle": champion.bundle.uri, "fault": fault, "decided": decided}
    state = f"cannot be read: {fault}. Run nightcast champion restore {pipeline}" if fault else "is intact"
    by_hand = describe_manual_decisions(spec.name, datetime.now(UTC), store)
    moved, versions = _describe_registry(spec, store)
    facts |= {"by_hand": list(by_hand), "alias": moved, "versions": versions}
    listed = f"versions: {', '.join(versions)}" if len(versions) > 1 else ""
    lines = (
        f"champion {champion.label} of {spec.name} {state}",
        *filter(None, [decided, *by_hand, moved, listed]),
    )
    return facts, "\n".join(lines)


def restore_champion(pipeline: str, drop: bool) -> tuple[dict[str, Any], str]:
    """Restore a champion that cannot be read: from a copy, else by the newest former champion that can be read.

    Args:
        pipeline: The pipeline's name or YAML file.
        drop: Give up a champion that cannot be restored: the pipeline then has none until a night promotes a model.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        NoChampion: The pipeline has no champion.
        ChampionLost: Neither a copy nor a former champion is left, and `drop` is not set.
        LeaseHeld: Another run writes to the pipeline.
    """
    settings = Settings()
    spec, store, champion = _read_champion(pipeline)
    with hold_store("champion restore", spec.name, settings.lease_settings, store) as store:
        check = check_champion(champion, spec.name, settings.readable_tracking, store)
        facts = {"pipeline": spec.name, "champion": champion.label, "fault": check.fault, "source": check.restored_from}
        if not check.fault:
            return facts | {"done": "nothing"}, f"champion {champion.label} is intact: nothing was restored"
        if check.restored_from:
            return facts | {"done": "restored"}, f"champion {champion.label} is restored from {check.restored_from}"
        formers = champions.list_former_champions(spec.name, datetime.now(UTC), store)
        former = next((model for model in formers if not champion_fault(model, store)), None)
        if former is None and not drop:
            night = _night_of(champion, spec.name, store)
            raise ChampionLost(pipeline, champion.label, check.fault, night)
        uri = _record(spec.name, champion, former, check.fault, store)
    if former is None:
        text = (
            f"champion {champion.label} is given up; the next night promotes the best model that beats every baseline"
        )
        return facts | {"done": "dropped", "decision": uri}, text
    text = f"champion {champion.label} is lost ({check.fault}); former champion {former.label} is champion again"
    return facts | {"done": "replaced", "champion": former.label, "decision": uri}, text


def _describe_registry(spec: PipelineSpec, store: Store) -> tuple[str, list[str]]:
    """Return the sentence about an alias that was moved in MLflow, and all versions."""
    tracking, now = Settings().readable_tracking, datetime.now(UTC)
    try:
        moved, _ = describe_moved_alias(spec.name, spec.forecast_setup, tracking, store, now)
        return moved, list(list_versions(spec.name, tracking, store))
    except Exception as error:  # noqa: BLE001 - whatever SQLite, MLflow or the network raises
        return explain(tracking, error) if tracking else str(error), []


def _read_champion(pipeline: str) -> tuple[PipelineSpec, Store, Candidate]:
    settings = Settings()
    spec, store = PipelineSpec.read(pipeline, settings.pipelines), settings.opened_store
    champion = champions.champion_at(spec.name, datetime.now(UTC), store)
    if champion is None:
        raise NoChampion(spec.name, "no night has promoted a model yet")
    return spec, store, champion


def _record(pipeline: str, lost: Candidate, former: Candidate | None, fault: str, store: Store) -> str:
    """Record the decision one second after the newest decision, so that every later night uses it."""
    as_of = max(_decided(pipeline, store)) + timedelta(seconds=1)
    decision = {
        "pipeline": pipeline,
        "run_id": "champion-restore",
        "as_of": as_of.isoformat(),
        "champion": former.model_dump(mode="json") if former else None,
        "previous": lost.model_dump(mode="json"),
        "dropped": former is None,
        "moved": True,
        "reason": f"restored by a person: {lost.label} cannot be read ({fault})",
        "p_value": None,
    }
    data = json.dumps(decision, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    return champions.record_decision(pipeline, as_of, store.put_bytes(data, "decision", "json"), store).uri


def _decided(pipeline: str, store: Store) -> list[datetime]:
    now = datetime.now(UTC)
    moments = (parse_vintage(uri) for uri in store.list_files(decisions_dir(pipeline)))
    return [moment for moment in moments if moment and moment <= now]


def _describe_decision(champion: Candidate, pipeline: str, store: Store) -> str:
    """Return when and why a model became champion; empty if no record says so."""
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        record, night = store.read_json(uri) or {}, parse_vintage(uri)
        decided = (record.get("champion") or {}).get("bundle", {}).get("digest")
        if night and night <= datetime.now(UTC) and record.get("moved") and decided == champion.bundle.digest:
            return (
                f"champion since the night of {night:%Y-%m-%d %H:%M} UTC: {record.get('reason') or 'no reason given'}"
            )
    return ""


def _night_of(champion: Candidate, pipeline: str, store: Store) -> str:
    """Return the as-of of the first decision for this champion: the night that trained it."""
    for uri in store.list_files(decisions_dir(pipeline)):
        record = store.read_json(uri) or {}
        if (record.get("champion") or {}).get("bundle", {}).get("digest") == champion.bundle.digest:
            return str(record.get("as_of"))
    return "the night that trained it"
