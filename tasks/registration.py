"""Log every challenger, decide the promotion, record the decision, and let the registry aliases follow it."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.diagnostics.effective_memory import memory_metrics
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import METRICS, EvaluationSpec
from tasks.modeling.scores import losses_by_origin, read_models
from tasks.modeling.segments import segments_of
from tasks.promotion.decision import PromotionDecision, PromotionSpec
from tasks.promotion.evidence import list_recorded_gains
from tasks.promotion.gates import GateEvidence, collect_evidence
from tasks.promotion.night import NightDecision, decide_night
from tasks.registry import champions
from tasks.registry.aliases import follow_challenger, follow_decision
from tasks.registry.completion import complete_version
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.model_files import ServingSettings
from tasks.registry.reachability import with_registry_errors
from tasks.registry.version_contents import VersionOrigin, build_logged_model, describe_version
from tasks.results.steps import EvaluationResult, RegistrationResult, RunContext, TrainingResult
from tasks.storage.store import Store

TORN_DECISION = (
    "cannot be read, so the champion is unknown; restore that file from a backup, or delete it to continue without"
)


class RegistrationSpec(Spec):
    """Settings of a registration: the promotion test, the metric, and where MLflow is. A dry run has no `tracking`.

    `dataset` is the clean table of the night, `segments` are its columns that group series, for the gate of segments.
    The other fields are for MLflow and change no decision: `revision` is the Git commit of the pipeline file.
    """

    promotion: PromotionSpec
    evaluation: EvaluationSpec
    tracking: TrackingSettings | None
    serving: ServingSettings = ServingSettings()
    revision: str = ""
    dataset: Artifact | None = None
    segments: tuple[str, ...] = ()

    def on(self, clean: Artifact) -> "RegistrationSpec":
        """Return these settings for a night with this clean table."""
        return self.model_copy(update={"dataset": clean})


def registration_cache_key(
    evaluated: EvaluationResult,
    trained: tuple[TrainingResult, ...],
    incumbent: Candidate | None,
    context: RunContext,
    gate: RegistrationSpec,
    store: Store,
) -> tuple[object, ...]:
    """Return what a decision depends on. A registry inside the store is left out, since it moves with the store."""
    external = None if not gate.tracking or gate.tracking.in_store else gate.tracking.uri
    models = [result.candidate for result in trained]
    torn = champions.unreadable_decisions(context.pipeline, context.as_of, store)
    earlier = list_recorded_gains(context.pipeline, context.as_of, incumbent, gate.evaluation.metric, store)
    grouped = (gate.dataset, gate.segments) if gate.promotion.max_segment_increase is not None else None
    return evaluated, models, incumbent, context, gate.promotion, gate.evaluation, external, torn, earlier, grouped


@step(cache_key=registration_cache_key)
@with_registry_errors
def register(
    evaluated: EvaluationResult,
    trained: tuple[TrainingResult, ...],
    incumbent: Candidate | None,
    context: RunContext,
    gate: RegistrationSpec,
    store: Store,
) -> RegistrationResult:
    """Log and version the challengers, decide on the promotion, record the decision, then move the aliases.

    Aliases move only if no later night has been decided, so a night that is run late changes no alias.

    Args:
        evaluated: The backtest and scores of this night.
        trained: The challengers with their learning curves, memory and drawings.
        incumbent: The champion before this night. It stays if no challenger wins, even if it could not be compared.
        context: Pipeline, run id and as-of of the decision record.
        gate: The promotion test, the metric, and where MLflow is.
        store: The store that holds the decision records.

    Returns:
        The champion after this night, whether it is new, the reason, and the decision record.

    Raises:
        RegistryUnreachable: If MLflow does not answer, or refuses a call for another reason than an unknown version.
    """
    champion = next(iter(evaluated.with_role("champion")), None)
    challengers = {model.label: model for model in evaluated.with_role("challenger")}
    losses, night = _decide(evaluated, context, gate, store)
    torn = champions.unreadable_decisions(context.pipeline, context.as_of, store)
    if torn and not incumbent:
        unknown = PromotionDecision(winner=None, reason=f"no model is promoted: {torn[-1]} {TORN_DECISION}")
        night = NightDecision(promotion=unknown)
    reason = "; ".join((night.promotion.reason, *evaluated.passed_over))
    if evaluated.lost_champion and (kept := champions.decision_of(context.pipeline, context.as_of, store)):
        reason = f"{reason}; the decision that this night has already recorded stays"
        decided = champions.champion_at(context.pipeline, context.as_of, store)
        return RegistrationResult(champion=decided, moved=False, reason=reason, decision=kept)
    current_champion = champion or incumbent
    registry = ModelRegistry(gate.tracking, context.pipeline) if gate.tracking else None
    unversioned = dict.fromkeys(challengers, "none")
    versions = _log_challengers(registry, evaluated, trained, context, gate, store) if registry else unversioned
    winner = challengers[night.promotion.winner] if night.promotion.winner else None
    update = {"role": "champion", "version": versions[winner.label]} if winner else {}
    new_champion = winner.model_copy(update=update) if winner else current_champion
    record = _decision_record(evaluated, night, reason, new_champion, current_champion, context)
    stored = store.put_bytes(record, "decision", "json")
    decision = champions.record_decision(context.pipeline, context.as_of, stored, store)
    if registry:
        _tag_decision(registry, versions, night.promotion)
    if registry and champions.is_latest_decision(context.pipeline, context.as_of, store):
        best = _best_challenger(losses[list(challengers)])
        reason += _let_registry_follow(registry, new_champion, versions[best] if best else "", gate, store)
    return RegistrationResult(
        champion=new_champion, moved=winner is not None, reason=reason, decision=decision,
        fallback=night.fallback, excess=night.excess,
    )  # fmt: skip


def _decide(
    evaluated: EvaluationResult, context: RunContext, gate: RegistrationSpec, store: Store
) -> tuple[pd.DataFrame, NightDecision]:
    """Read the backtest; return the losses by origin, and the decision of the night."""
    metric, spec, evidence = gate.evaluation.metric, gate.promotion, GateEvidence({}, {})
    champion = next(iter(evaluated.with_role("champion")), None)
    compared = {model.label for model in (*evaluated.with_role("champion"), *evaluated.with_role("challenger"))}
    segments = pd.DataFrame()
    if spec.max_segment_increase is not None and gate.dataset and gate.segments:
        segments = segments_of(load_clean_table(gate.dataset, store), gate.segments)
    models = collect_evidence(read_models(evaluated.backtest, store), evidence, spec, metric, segments, compared)
    losses = losses_by_origin(models, metric)
    nights = list_recorded_gains(context.pipeline, context.as_of, champion, metric, store)
    return losses, decide_night(losses, evaluated, spec, metric, nights, evidence)


def _tag_decision(registry: ModelRegistry, versions: dict[str, str], decision: PromotionDecision) -> None:
    """Write the decision to the versions of this night's challengers: its numbers to the one that was compared."""
    for label, version in versions.items():
        tags = {"outcome": "promoted" if label == decision.winner else "not promoted", "reason": decision.reason}
        if label == decision.best:
            known = {name: value for name, value in decision.numbers.items() if value is not None}
            tags |= {name: value if isinstance(value, str) else f"{value:.6g}" for name, value in known.items()}
        registry.tag_version(version, {f"nightcast.decision.{name}": text for name, text in tags.items()})


def _best_challenger(losses: pd.DataFrame) -> str | None:
    """Return the label with the lowest mean loss, of those with a finite loss at every origin, if any."""
    finite = losses.loc[:, np.isfinite(losses).all()].mean().dropna()  # NaN: no origin has a loss
    return str(finite.idxmin()) if len(finite) else None


def _let_registry_follow(
    registry: ModelRegistry, champion: Candidate | None, challenger: str, gate: RegistrationSpec, store: Store
) -> str:
    """Let the aliases follow the decision; return why the alias champion does not, as the end of a reason."""
    with store.fenced_write():
        follow_challenger(registry, challenger)
        if champion is None:
            return ""
        fault = follow_decision(registry, champion.version, datetime.now(UTC), store)
        complete_version(registry, champion, gate.serving, store)
    return f"; {fault}" if fault else ""


def _log_challengers(
    registry: ModelRegistry,
    evaluated: EvaluationResult,
    trained: tuple[TrainingResult, ...],
    context: RunContext,
    gate: RegistrationSpec,
    store: Store,
) -> dict[str, str]:
    """Log each challenger as an MLflow run; return the version of each by its label."""
    origin = VersionOrigin(
        pipeline=context.pipeline, run_id=context.run_id, as_of=context.as_of, revision=gate.revision,
        dataset=gate.dataset, root=store.display_root,
    )  # fmt: skip
    scores = store.get(evaluated.scores).set_index("model_name")
    results = {result.candidate.bundle.digest: result for result in trained}
    versions = {}
    for model in evaluated.candidates:
        if model.role == "challenger":
            result, data = results[model.bundle.digest], store.get_bytes(model.bundle)
            description = describe_version(model.label, origin, scores, gate.evaluation.metric)
            contents = build_logged_model(model.name, model.bundle, data, origin, gate.serving)
            logged = contents.model_copy(
                update={
                    "metrics": {name: float(scores.loc[model.label, name]) for name in METRICS}
                    | dict(memory_metrics(result.memory) if result.memory else ()),
                    "curve": result.validation_losses,
                    "curves": {f"gradient_norm.{layer}": norms for layer, norms in result.gradients.items()},
                    "drawings": {name: store.get_bytes(drawing) for name, drawing in sorted(result.drawings.items())},
                }
            )
            run = registry.log_model(logged, origin.run_id)
            versions[model.label] = registry.register_version(
                model.bundle.digest, run, origin.run_id, description, origin.tags
            )
    return versions


def _decision_record(
    evaluated: EvaluationResult,
    night: NightDecision,
    reason: str,
    new_champion: Candidate | None,
    current_champion: Candidate | None,
    context: RunContext,
) -> bytes:
    decision = {
        "pipeline": context.pipeline,
        "run_id": context.run_id,
        "as_of": context.as_of.isoformat(),
        "champion": new_champion.model_dump(mode="json") if new_champion else None,
        "previous": current_champion.model_dump(mode="json") if current_champion else None,
        "moved": night.promotion.winner is not None,
        "reason": reason,
        **night.promotion.record,
        "gains": night.gains.model_dump(mode="json") if night.gains else None,
        "scores": evaluated.scores.model_dump(mode="json"),
    }
    return json.dumps(decision, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
