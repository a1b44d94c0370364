"""A change of the champion by hand: under the lease of the pipeline, and only if the champion is still the same."""

import getpass
import logging
import os
import socket
from datetime import UTC, datetime
from typing import Any, NamedTuple

from data_contracts.errors import LeaseLost, NightcastError
from flows.pipeline.requested import read_requested
from flows.pipeline.spec import PipelineSpec
from flows.runs.store_lease import hold_store
from flows.settings import Settings
from tasks.modeling.candidate import Candidate
from tasks.registry.aliases import follow_decision
from tasks.registry.champions import champion_at
from tasks.registry.manual_decisions import ManualAction, ManualDecision
from tasks.registry.manual_promotion import (
    ManualChange,
    adopt_moved_alias,
    checked_reason,
    decide_by_hand,
    mark_version,
)
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.reachability import explain, translate_registry_errors
from tasks.storage.object_stores import StoreUnreachable
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


class ChampionChanged(NightcastError):
    """The champion is another one than the person who decides has seen."""

    def __init__(self, pipeline: str, seen: str, current: str) -> None:
        super().__init__(
            f"the champion of pipeline {pipeline!r} is {current}, not {seen} as expected: a night or another person "
            f"has decided in the meantime. Nothing was changed. See nightcast champion show {pipeline}, and run this "
            "command again if it is still right."
        )


class ChangeRequest(NamedTuple):
    """What a person asks for. `if_current` is the version that must still be champion; empty for the one read now."""

    pipeline: PipelineSpec | str
    action: ManualAction
    version: str = ""
    reason: str = ""
    by: str = ""
    if_current: str = ""


def change_champion(request: ChangeRequest) -> tuple[dict[str, Any], str]:
    """Change the champion and let the aliases follow.

    Args:
        request: The pipeline, the version, and who asks for it and why.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        PromotionRefused: The version may not become champion.
        ChampionChanged: The champion changed since it was read, or is not `if_current`.
        LeaseHeld: Another run writes to the pipeline.
        RegistryUnreachable: The registry, which has the version, does not answer.
    """
    settings = Settings()
    spec, store = read_requested(request.pipeline, settings.pipelines), settings.opened_store
    tracking = settings.readable_tracking
    seen = champion_at(spec.name, datetime.now(UTC), store)
    _compare(spec.name, request.if_current, seen)
    change = ManualChange(
        pipeline=spec.name, action=request.action, version=request.version, by=request.by or current_person(),
        reason=request.reason,
    )  # fmt: skip
    checked_reason(request.reason)
    with hold_store(request.action, spec.name, settings.lease_settings, store) as store:
        now = datetime.now(UTC)
        notices = adopt_alias(spec, tracking, store)
        current = champion_at(spec.name, now, store)
        if _label(current) != _label(seen):
            raise ChampionChanged(spec.name, _label(seen), _label(current))
        with translate_registry_errors(tracking, by_hand=True):
            decision = decide_by_hand(change, spec.forecast_setup, tracking, store, now)
        notices += _follow(decision, tracking, store, now) if decision else ()
    return _describe(spec.name, _argument(request.pipeline), decision, current, notices)


def adopt_alias(spec: PipelineSpec, tracking: TrackingSettings | None, store: Store) -> tuple[str, ...]:
    """Adopt or refuse an alias that was moved in MLflow. A registry that does not answer stops nothing.

    Args:
        spec: The pipeline.
        tracking: Where MLflow is; None if it may not be asked.
        store: The store with the lease of the pipeline.

    Returns:
        Notices for the page: the alias that was refused.

    Raises:
        LeaseLost: Another run took over.
        StoreUnreachable: The store does not answer.
    """
    if tracking is None:
        return ()
    try:
        return adopt_moved_alias(spec.name, spec.forecast_setup, tracking, store, datetime.now(UTC))
    except (LeaseLost, StoreUnreachable):
        raise
    except Exception as error:  # noqa: BLE001 - whatever SQLite, MLflow or the network raises
        reason = explain(tracking, error)
        log.warning("the alias champion of %s was not compared with the decisions: %s", spec.name, reason)
        return ()


def current_person() -> str:
    """Return who calls, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without an account, as in many containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _compare(pipeline: str, expected: str, champion: Candidate | None) -> None:
    version = champion.version if champion else "none"
    if expected and expected != version:
        raise ChampionChanged(pipeline, f"version {expected}", _label(champion))


def _label(champion: Candidate | None) -> str:
    return champion.label if champion else "none"


def _argument(pipeline: PipelineSpec | str) -> str:
    return pipeline if isinstance(pipeline, str) else pipeline.name


def _follow(
    decision: ManualDecision, tracking: TrackingSettings | None, store: Store, now: datetime
) -> tuple[str, ...]:
    """Let the alias and the version in MLflow follow. The decision counts, also if MLflow does not answer."""
    if tracking is None or tracking.database_is_missing:
        return ()
    try:
        registry = ModelRegistry(tracking, decision.pipeline)
        with store.fenced_write():
            fault = follow_decision(registry, decision.champion.version, now, store)
            if not fault:
                mark_version(registry, decision)
    except (LeaseLost, StoreUnreachable):
        raise
    except Exception as error:  # noqa: BLE001 - whatever MLflow or the network raises
        fault = f"{explain(tracking, error)} The next night sets its alias."
    return (fault,) if fault else ()


def _describe(
    pipeline: str, argument: str, decision: ManualDecision | None, current: Candidate | None, notices: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    facts = {
        "pipeline": pipeline,
        "changed": decision is not None,
        "champion": _label(decision.champion if decision else current),
        "previous": _label(decision.previous if decision else current),
        "by": decision.by if decision else None,
        "reason": decision.reason if decision else None,
        "notices": list(notices),
    }
    if decision is None:
        return facts, "\n".join((*notices, f"{_label(current)} is champion of {pipeline} already: nothing was changed"))
    lines = [
        f"{pipeline}: {decision.sentence}",
        *notices,
        f"The next night starts from it. To publish with it now: nightcast forecast {argument}",
    ]
    return facts, "\n".join(lines)
