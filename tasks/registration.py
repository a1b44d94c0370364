"""Step 6 · scores → registry: every model is on record, and `champion` moves only through the gate."""

import json
import math

from data_contracts.spec import Spec
from models.diagnostics.effective_memory import memory_metrics
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import METRICS, EvaluationSpec
from tasks.modeling.scores import losses_by_origin
from tasks.registry import champions
from tasks.registry.mlflow_registry import LoggedModel, ModelRegistry, TrackingSettings
from tasks.registry.promotion import PromotionDecision, PromotionSpec, decide_promotion
from tasks.results.steps import EvaluationResult, RegistrationResult, RunContext, TrainingResult
from tasks.storage.store import Store


class RegistrationSpec(Spec):
    """What decides a promotion, and where models are registered; nowhere in a rehearsal."""

    promotion: PromotionSpec
    evaluation: EvaluationSpec
    tracking: TrackingSettings | None


def registration_cache_key(
    evaluated: EvaluationResult,
    trained: tuple[TrainingResult, ...],
    incumbent: Candidate | None,
    night: RunContext,
    gate: RegistrationSpec,
    store: Store,
) -> tuple[object, ...]:
    """What a decision depends on. A registry inside the store has no say in it: it moves with the store."""
    elsewhere = None if not gate.tracking or gate.tracking.artifacts else gate.tracking.uri
    models = [one.candidate for one in trained]
    return evaluated, models, incumbent, night, gate.promotion, gate.evaluation, elsewhere


@step(cache_key=registration_cache_key)
def register(
    evaluated: EvaluationResult,
    trained: tuple[TrainingResult, ...],
    incumbent: Candidate | None,
    night: RunContext,
    gate: RegistrationSpec,
    store: Store,
) -> RegistrationResult:
    """Log tonight's models, version the best, judge it, write the decision down, then let the alias follow."""
    losses = losses_by_origin(store.get(evaluated.backtest), gate.evaluation.metric)
    champion = next((one for one in evaluated.candidates if one.role == "champion"), None)
    challengers = {one.label: one for one in evaluated.candidates if one.role == "challenger"}
    baselines = [one.label for one in evaluated.candidates if one.role == "baseline"]
    crown = champion.label if champion else None
    verdict = decide_promotion(losses, list(challengers), crown, baselines, gate.promotion, evaluated.lead)
    holder = champion or incumbent
    registry = ModelRegistry(gate.tracking, night.pipeline) if gate.tracking else None
    versions = (
        _on_record(registry, evaluated, trained, night, store) if registry else dict.fromkeys(challengers, "none")
    )
    best = min(challengers, key=lambda name: float(losses[name].fillna(math.inf).mean()), default=None)
    new = challengers[verdict.winner] if verdict.winner else None
    crowned = new.model_copy(update={"role": "champion", "version": versions[new.label]}) if new else holder
    decision = _written(evaluated, verdict, crowned, holder, night)
    stored = store.put_bytes(decision, "decision", "json")
    entry = champions.record_decision(night.pipeline, night.as_of, stored, store)
    reason = _reason(verdict, evaluated)
    if registry and champions.is_latest_decision(night.pipeline, night.as_of, store):
        with store.fenced_write():
            if best:
                registry.set_alias("challenger", versions[best])
            if crowned and not registry.set_alias("champion", crowned.version):
                reason += f"; the registry has lost version {crowned.version}, whose bundle is still in the store"
    return RegistrationResult(champion=crowned, moved=new is not None, reason=reason, decision=entry)


def _on_record(
    registry: ModelRegistry,
    evaluated: EvaluationResult,
    trained: tuple[TrainingResult, ...],
    night: RunContext,
    store: Store,
) -> dict[str, str]:
    """Version of each challenger by its label."""
    scores = store.get(evaluated.scores).set_index("model_name")
    curves = {one.candidate.bundle.digest: one for one in trained}
    versions = {}
    for one in evaluated.candidates:
        if one.role == "challenger":
            bundle, learned = load_bundle(one, store), curves[one.bundle.digest]
            logged = LoggedModel(
                name=one.name,
                digest=one.bundle.digest,
                settings={name: str(value)[:500] for name, value in bundle.stored_settings().items()},
                metrics={name: float(scores.loc[one.label, name]) for name in METRICS}
                | dict(memory_metrics(learned.memory) if learned.memory else ()),
                curve=learned.validation_losses,
                curves={f"gradient_norm.{layer}": norms for layer, norms in learned.gradients.items()},
                drawings={name: store.get_bytes(claim) for name, claim in sorted(learned.drawings.items())},
                weights=store.get_bytes(one.bundle),
                settings_json=json.dumps(bundle.stored_settings(), indent=1, sort_keys=True),
            )
            run = registry.log(logged, night.run_id)
            versions[one.label] = registry.version(one.bundle.digest, run, night.run_id)
    return versions


def _written(
    evaluated: EvaluationResult,
    verdict: PromotionDecision,
    crowned: Candidate | None,
    holder: Candidate | None,
    night: RunContext,
) -> bytes:
    decision = {
        "pipeline": night.pipeline,
        "run_id": night.run_id,
        "as_of": night.as_of.isoformat(),
        "champion": crowned.model_dump(mode="json") if crowned else None,
        "previous": holder.model_dump(mode="json") if holder else None,
        "moved": verdict.winner is not None,
        "reason": _reason(verdict, evaluated),
        "p_value": verdict.p_value,
        "scores": evaluated.scores.model_dump(mode="json"),
    }
    return json.dumps(decision, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _reason(verdict: PromotionDecision, evaluated: EvaluationResult) -> str:
    return "; ".join((verdict.reason, *evaluated.passed_over))
