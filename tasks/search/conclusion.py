"""What a search has come to: the best configuration against the pipeline's own and the baselines, on the test windows.

The search never saw these windows, and one configuration is judged on them, once: so the level is shared with nobody.
"""

from datetime import datetime
from typing import Any

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.training.recipe import Recipe
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import METRICS
from tasks.modeling.scores import losses_by_origin
from tasks.registry.promotion import PromotionDecision, PromotionSpec, decide_promotion
from tasks.results.steps import EvaluationResult, TrainingResult
from tasks.search.search import SearchResult
from tasks.search.search_space import searched_settings
from tasks.storage.store import Store

TUNED_SUFFIX = " (tuned)"


class TuningOutcome(Spec):
    """How a search ended; `settings` are those that it searched, by full name, as the best configuration has them."""

    pipeline: str
    as_of: datetime
    better: bool
    found: bool
    name: str
    recipe: Recipe
    settings: dict[str, Any]
    seed: int
    asked: int
    ended: str
    metric: str
    validation: dict[str, float]
    """Loss on the validation windows: of the best configuration, and of the best of the pipeline's own."""
    p_value: float | None
    reason: str
    leaderboard: tuple[dict[str, Any], ...]
    """Scores on the test windows, best first."""
    trials: Artifact
    sentence: str


def contenders(searched: SearchResult, trained: tuple[TrainingResult | StepFailure, ...]) -> tuple[Candidate, ...]:
    """Who is judged: what was found under a name of its own, since only its training may differ from the others."""
    found = []
    for recipe, one in zip(searched.finalists, trained, strict=True):
        if isinstance(one, TrainingResult):
            name = f"{one.candidate.name}{TUNED_SUFFIX}" if recipe not in searched.own else one.candidate.name
            found.append(one.candidate.model_copy(update={"name": name}))
    return tuple(found)


def compare_on_test(
    searched: SearchResult,
    evaluated: EvaluationResult,
    of: tuple[str, datetime, int],
    gate: PromotionSpec,
    metric: str,
    store: Store,
) -> TuningOutcome:
    """The verdict of the gate that a champion goes through; `of` is the (pipeline, as-of, seed) of the search."""
    losses = losses_by_origin(store.get(evaluated.backtest), metric)
    scores = store.get(evaluated.scores).sort_values(metric, ignore_index=True)
    ranked = {str(row["model_name"]): float(row[metric]) for _, row in scores.iterrows()}
    tuned = [name for name in ranked if name.endswith(TUNED_SUFFIX)]
    roles = dict(zip(scores["model_name"], scores["role"], strict=True))
    baselines = [name for name in ranked if roles[name] == "baseline"]
    current = next((name for name in ranked if roles[name] == "challenger" and name not in tuned), None)
    verdict = decide_promotion(losses, tuned, current, baselines, gate, evaluated.lead)
    better = searched.found and verdict.winner is not None
    rivals = {name: ranked[name] for name in (*tuned, current, *baselines[:1]) if name is not None}
    columns = ["model_name", "role", *METRICS]
    return TuningOutcome(
        pipeline=of[0],
        as_of=of[1],
        better=better,
        found=searched.found,
        name=searched.best.model.name,
        recipe=searched.best,
        settings={name: searched_settings(searched.best)[name] for name in searched.searched},
        seed=of[2],
        asked=searched.asked,
        ended=searched.ended,
        metric=metric,
        validation={"best": searched.best_loss} | ({"own": searched.own_loss} if searched.own_loss is not None else {}),
        p_value=verdict.p_value if searched.found else None,
        reason=verdict.reason if searched.found else "the best trial is one of the pipeline's own models",
        leaderboard=tuple(scores[columns].astype(object).where(scores[columns].notna(), None).to_dict("records")),
        trials=searched.trials,
        sentence=_told(searched, rivals, better, verdict, metric),
    )


def _told(
    searched: SearchResult, losses: dict[str, float], better: bool, verdict: PromotionDecision, metric: str
) -> str:
    """The last line: better by how much and how surely, or keep what you have. `losses` has what was found first."""
    name = searched.best.model.name
    if not searched.found:
        own = f"{name} ({metric} {searched.best_loss:.4g} on the validation windows)"
        return f"nothing better than {own} was found in {searched.ended}: keep what you have"
    if not better:
        return f"{name} was not found to be better on windows it never saw ({verdict.reason}): keep what you have"
    ours, *others = losses.values()
    figures = f"{metric} " + ", ".join(f"{loss:.4g} of {rival}" for rival, loss in losses.items())
    sure = f"; p = {verdict.p_value:.3f}" if verdict.p_value is not None else ""
    return f"{name} is better on the test windows by {1 - ours / others[0]:.1%} ({figures}{sure})"
