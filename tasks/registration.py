"""Step 6 · scores → registry: every model is on record, and `champion` moves only through the gate."""

import json
import math

from data_contracts.spec import Spec
from models.diagnostics.effective_memory import metrics
from tasks.engine.step import step_that_depends_on
from tasks.modeling.candidate import Candidate, bundle_of
from tasks.modeling.forecast_setup import METRICS, EvaluationSpec
from tasks.modeling.scores import losses_by_origin
from tasks.registry import champions
from tasks.registry.mlflow_registry import Logged, Registry, Tracking
from tasks.registry.promotion import PromotionSpec, Verdict, judge
from tasks.results.steps import Evaluated, Night, Registered, Trained
from tasks.storage.store import Store


class Gate(Spec):
    """What decides a promotion, and where models are registered; nowhere in a rehearsal."""

    promotion: PromotionSpec
    evaluation: EvaluationSpec
    tracking: Tracking | None


def decided_on(
    evaluated: Evaluated,
    trained: tuple[Trained, ...],
    incumbent: Candidate | None,
    night: Night,
    gate: Gate,
    store: Store,
) -> tuple[object, ...]:
    """What a decision depends on. A registry inside the store has no say in it: it moves with the store."""
    elsewhere = None if not gate.tracking or gate.tracking.artifacts else gate.tracking.uri
    models = [one.candidate for one in trained]
    return evaluated, models, incumbent, night, gate.promotion, gate.evaluation, elsewhere


@step_that_depends_on(decided_on)
def register(
    evaluated: Evaluated,
    trained: tuple[Trained, ...],
    incumbent: Candidate | None,
    night: Night,
    gate: Gate,
    store: Store,
) -> Registered:
    """Log tonight's models, version the best, judge it, write the decision down, then let the alias follow."""
    losses = losses_by_origin(store.get(evaluated.backtest), gate.evaluation.metric)
    champion = next((one for one in evaluated.candidates if one.role == "champion"), None)
    challengers = {one.label: one for one in evaluated.candidates if one.role == "challenger"}
    baselines = [one.label for one in evaluated.candidates if one.role == "baseline"]
    crown = champion.label if champion else None
    verdict = judge(losses, list(challengers), crown, baselines, gate.promotion, evaluated.lead)
    holder = champion or incumbent
    registry = Registry(gate.tracking, night.pipeline) if gate.tracking else None
    versions = (
        _on_record(registry, evaluated, trained, night, store) if registry else dict.fromkeys(challengers, "none")
    )
    best = min(challengers, key=lambda name: float(losses[name].fillna(math.inf).mean()), default=None)
    new = challengers[verdict.winner] if verdict.winner else None
    crowned = new.model_copy(update={"role": "champion", "version": versions[new.label]}) if new else holder
    decision = _written(evaluated, verdict, crowned, holder, night)
    stored = store.put_bytes(decision, "decision", "json")
    entry = champions.decide(night.pipeline, night.as_of, stored, store)
    reason = _reason(verdict, evaluated)
    if registry and champions.is_latest(night.pipeline, night.as_of, store):
        with store.committing():
            if best:
                registry.point("challenger", versions[best])
            if crowned and not registry.point("champion", crowned.version):
                reason += f"; the registry has lost version {crowned.version}, whose bundle is still in the store"
    return Registered(champion=crowned, moved=new is not None, reason=reason, decision=entry)


def _on_record(
    registry: Registry, evaluated: Evaluated, trained: tuple[Trained, ...], night: Night, store: Store
) -> dict[str, str]:
    """Version of each challenger by its label."""
    scores = store.get(evaluated.scores).set_index("model_name")
    curves = {one.candidate.bundle.digest: one for one in trained}
    versions = {}
    for one in evaluated.candidates:
        if one.role == "challenger":
            bundle, learned = bundle_of(one, store), curves[one.bundle.digest]
            logged = Logged(
                name=one.name,
                digest=one.bundle.digest,
                settings={name: str(value)[:500] for name, value in sorted(bundle.settings.items())},
                metrics={name: float(scores.loc[one.label, name]) for name in METRICS}
                | dict(metrics(learned.memory) if learned.memory else ()),
                curve=learned.validation_losses,
                curves={f"gradient_norm.{layer}": norms for layer, norms in learned.gradients.items()},
                drawings={name: store.get_bytes(claim) for name, claim in sorted(learned.drawings.items())},
                weights=store.get_bytes(one.bundle),
                told=json.dumps(bundle.settings, indent=1, sort_keys=True),
            )
            run = registry.log(logged, night.run_id)
            versions[one.label] = registry.version(one.bundle.digest, run, night.run_id)
    return versions


def _written(
    evaluated: Evaluated, verdict: Verdict, crowned: Candidate | None, holder: Candidate | None, night: Night
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


def _reason(verdict: Verdict, evaluated: Evaluated) -> str:
    return "; ".join((verdict.reason, *evaluated.passed_over))
