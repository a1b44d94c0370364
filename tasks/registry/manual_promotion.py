"""Change the champion by hand: promote a version, return to a former champion, adopt an alias that was moved in MLflow.

A version may become champion if it is of this pipeline, its bundle is intact (or can be restored from the registry's
copy of the same bytes), and it was made for the inputs and outputs of the pipeline.
"""

import logging
from datetime import datetime

from pydantic import ValidationError

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, NoChampion, SpecError, redact
from data_contracts.spec import Spec
from models.bundle import Bundle
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import load_comparable
from tasks.registry.aliases import moved_version, point_alias, read_alias
from tasks.registry.champion_repair import check_champion
from tasks.registry.champions import champion_at, list_former_champions
from tasks.registry.inspection import read_registry
from tasks.registry.manual_decisions import ManualAction, ManualDecision, record_manual_decision
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.rebuild import decided_models
from tasks.storage.layout import artifacts_dir
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

MAX_REASON_CHARACTERS = 500
ALIAS_PERSON = "a person in MLflow"
REFUSED_ALIAS = "the alias champion was moved in MLflow to"  # start of the notice, which doctor looks for


class PromotionRefused(SpecError):
    """The version may not become champion."""


class ManualChange(Spec):
    """A request of a person: `version` is empty for the default of the action, `by` is who asks, `reason` why."""

    pipeline: str
    action: ManualAction
    version: str = ""
    by: str
    reason: str


def checked_reason(text: str) -> str:
    """Return a reason in one line, without secrets. Raises SpecError if it is empty or too long."""
    reason = " ".join(text.split())
    if not reason:
        raise SpecError("the reason is empty. Give one: --reason 'why this is decided'.")
    if len(reason) > MAX_REASON_CHARACTERS:
        raise SpecError(f"the reason has {len(reason):,} characters; the limit is {MAX_REASON_CHARACTERS}. Shorten it.")
    return redact(reason)


def decide_by_hand(
    change: ManualChange, setup: ForecastSetup, tracking: TrackingSettings | None, store: Store, now: datetime
) -> ManualDecision | None:
    """Choose the model, check that it may become champion, and record the decision.

    Args:
        change: What a person asks for.
        setup: Inputs and outputs that the model must have been made for.
        tracking: Where MLflow is; None if no registry is set.
        store: The store with the lease of the pipeline.
        now: The current time.

    Returns:
        The decision; None if the model is champion already.

    Raises:
        PromotionRefused: The version does not exist, cannot be read or does not fit the pipeline.
        NoChampion: A rollback of a pipeline without a former champion.
        FutureDecision: A night after `now` has been decided.
    """
    reason = checked_reason(change.reason)
    current = champion_at(change.pipeline, now, store)
    choose = _choose_former if change.action == "rollback" else _choose_version
    candidate = choose(change, setup, tracking, store, now)
    if current and candidate.bundle.digest == current.bundle.digest:
        return None
    decision = ManualDecision(
        pipeline=change.pipeline, action=change.action, champion=candidate, previous=current, by=change.by, at=now,
        reason=reason,
    )  # fmt: skip
    record_manual_decision(decision, store, now)
    log.info("%s", decision.sentence)
    return decision


def adopt_moved_alias(
    pipeline: str, setup: ForecastSetup, tracking: TrackingSettings, store: Store, now: datetime
) -> tuple[str, ...]:
    """Record a decision for an alias champion that a person has moved in MLflow; set it back if it may not be champion.

    Args:
        pipeline: Name of the pipeline.
        setup: Inputs and outputs that the model must have been made for.
        tracking: Where MLflow is.
        store: The store with the lease of the pipeline.
        now: The current time.

    Returns:
        Why the alias was set back, as a notice for the page; empty if it was adopted or not moved.

    Raises:
        Exception: Whatever the registry raises if it does not answer.
    """
    state = read_alias(tracking, pipeline)
    version = moved_version(state, pipeline, now, store)
    if not version:
        return ()
    why = f"the alias champion was moved to version {version} in MLflow"
    change = ManualChange(pipeline=pipeline, action="mlflow-alias", version=version, by=ALIAS_PERSON, reason=why)
    registry, decided = ModelRegistry(tracking, pipeline), champion_at(pipeline, now, store)
    try:
        decision = decide_by_hand(change, setup, tracking, store, now)
    except NightcastError as refused:
        with store.fenced_write():
            if decided is None:
                registry.client.delete_registered_model_alias(pipeline, "champion")
            else:
                point_alias(registry, decided.version)
        back = f"set back to version {decided.version}" if decided else "deleted: the pipeline has no champion"
        notice = f"{REFUSED_ALIAS} version {version}, which may not be champion, and was {back}. {refused}"
        log.warning("! %s", notice)
        return (notice,)
    with store.fenced_write():
        if decision:
            mark_version(registry, decision)
        point_alias(registry, version)
    return ()


def mark_version(registry: ModelRegistry, decision: ManualDecision) -> None:
    """Let the version in MLflow say who made it champion, when and why."""
    facts = {"by": decision.by, "at": decision.at.isoformat(timespec="seconds"), "reason": decision.reason}
    for name, value in facts.items():
        tag = f"nightcast.promoted_{name}" if name != "reason" else "nightcast.promotion_reason"
        registry.client.set_model_version_tag(decision.pipeline, decision.champion.version, tag, value)


def _choose_version(
    change: ManualChange, setup: ForecastSetup, tracking: TrackingSettings | None, store: Store, now: datetime
) -> Candidate:
    """Return the version that is asked for; by default that of the alias challenger."""
    version = change.version or _challenger(change.pipeline, tracking)
    candidate = find_version(change.pipeline, version, tracking, store)
    check_champion(candidate, change.pipeline, tracking, store)  # restores a lost bundle from the registry's copy
    return require_usable(find_version(change.pipeline, version, tracking, store), setup, store)


def _choose_former(
    change: ManualChange, setup: ForecastSetup, tracking: TrackingSettings | None, store: Store, now: datetime
) -> Candidate:
    """Return the former champion that is asked for; by default the latest that can be used."""
    formers = list_former_champions(change.pipeline, now, store)
    if not formers:
        reason = "no other model has been champion, so there is nothing to return to"
        raise (
            NoChampion(change.pipeline, reason)
            if champion_at(change.pipeline, now, store) is None
            else (
                PromotionRefused(
                    f"{reason}. Choose a version: nightcast promote {change.pipeline} VERSION --reason TEXT."
                )
            )
        )
    refusals = []
    for former in formers:
        if change.version and former.version != change.version:
            continue
        try:
            check_champion(former, change.pipeline, tracking, store)
            return require_usable(former, setup, store)
        except NightcastError as refused:
            refusals.append(str(refused))
    if refusals:
        raise PromotionRefused(" ".join(refusals))
    names = ", ".join(former.version for former in formers)
    raise PromotionRefused(
        f"version {change.version} of pipeline {change.pipeline!r} is not a former champion; those are: {names}. "
        f"Choose one of them, or run nightcast promote {change.pipeline} {change.version} --reason TEXT."
    )


def _challenger(pipeline: str, tracking: TrackingSettings | None) -> str:
    version = None
    if tracking and not tracking.database_is_missing:
        version = ModelRegistry(tracking, pipeline).get_alias("challenger")
    if version is None:
        raise PromotionRefused(
            f"pipeline {pipeline!r} has no challenger: the registry has no alias of that name. Give the version to "
            f"promote; nightcast champion show {pipeline} lists them."
        )
    return version


def list_versions(pipeline: str, tracking: TrackingSettings | None, store: Store) -> dict[str, str]:
    """Return the digest of every version that the registry or a decision knows, by number."""
    decided = decided_models(pipeline, store)
    versions = {str(number): candidate.bundle.digest for number, (candidate, _) in decided.items()}
    if tracking and not tracking.database_is_missing:
        known = read_registry(tracking, pipeline).versions
        versions |= {version: entry.digest for version, entry in known.items() if entry.digest}
    return dict(sorted(versions.items(), key=lambda item: int(item[0]) if item[0].isdecimal() else 0))


def find_version(pipeline: str, version: str, tracking: TrackingSettings | None, store: Store) -> Candidate:
    """Return the model of a version. Raises PromotionRefused if no night has registered it."""
    versions = list_versions(pipeline, tracking, store)
    if version not in versions:
        known = f"it has: {', '.join(versions)}. Choose one of them."
        known = known if versions else "it has none yet. Run nightcast nightly or nightcast retrain first."
        raise PromotionRefused(f"pipeline {pipeline!r} has no version {version!r} that a night has registered; {known}")
    digest = versions[version]
    uri = f"{artifacts_dir('bundle')}/{digest}.safetensors"
    bundle = Artifact(contract="bundle@1.0.0", uri=uri, digest=digest, rows=0)
    try:
        name = Bundle.from_bytes(store.get_bytes(bundle)).name
    except NightcastError:
        name = pipeline  # of a bundle that is restored, or refused, next
    return Candidate(name=name, role="champion", bundle=bundle, version=version)


def require_usable(candidate: Candidate, setup: ForecastSetup, store: Store) -> Candidate:
    """Return the candidate. Raises PromotionRefused if its bundle is damaged, or does not fit the pipeline."""
    try:
        load_comparable(candidate, setup.view, setup.bounds, store)
    except (NightcastError, ValidationError) as error:
        reason = str(error).partition(". ")[0]
        raise PromotionRefused(
            f"version {candidate.version} may not become champion: {reason}. Choose another version, or change the "
            "pipeline back to what the version was made for."
        ) from error
    return candidate
