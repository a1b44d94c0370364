"""The conclusion of a search: the best configuration against the pipeline's own and the baselines, on the test windows.

The search never used these windows, and a single configuration is tested on them, once. So the significance level is
not divided among several.
"""

from datetime import datetime
from typing import Any

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.training.recipe import Recipe
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import METRICS
from tasks.modeling.scores import losses_by_origin, read_models
from tasks.promotion.decision import PromotionDecision, PromotionSpec, decide_promotion
from tasks.promotion.evidence import Evidence
from tasks.results.steps import EvaluationResult, RunContext, TrainingResult
from tasks.search.search import SearchResult
from tasks.search.search_space import flatten_settings
from tasks.storage.store import Store

TUNED_SUFFIX = " (tuned)"


class TuningOutcome(Spec):
    """How a search ended: the best configuration, whether it is better, and why. `tune --json` prints these fields.

    `settings` are the settings that were searched, by full name, with the values of the best configuration.
    """

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
    """Select the finalists that could be trained as candidates of the evaluation.

    A configuration that the search found is renamed, since it may differ from the others only in its training.

    Args:
        searched: The result of the search.
        trained: The results of training its finalists, in the same order.

    Returns:
        One challenger per finalist that was trained.
    """
    candidates = []
    for recipe, result in zip(searched.finalists, trained, strict=True):
        if isinstance(result, TrainingResult):
            suffix = TUNED_SUFFIX if recipe not in searched.own else ""
            name = f"{result.candidate.name}{suffix}"
            candidates.append(result.candidate.model_copy(update={"name": name}))
    return tuple(candidates)


def compare_on_test(
    searched: SearchResult,
    evaluated: EvaluationResult,
    context: RunContext,
    gate: PromotionSpec,
    metric: str,
    store: Store,
) -> TuningOutcome:
    """Decide on the test windows whether the best configuration is better, by the promotion test of a champion.

    Args:
        searched: The result of the search.
        evaluated: The evaluation of the `contenders`.
        context: Pipeline and as-of of the search.
        gate: Settings of the promotion test.
        metric: The column of the scores to compare by.
        store: The store that holds the backtest and the scores.

    Returns:
        The outcome. `better` is true only if the search found a new configuration and it passes the test.
    """
    losses = losses_by_origin(read_models(evaluated.backtest, store), metric)
    scores = store.get(evaluated.scores).sort_values(metric, ignore_index=True)
    ranked = {str(row["model_name"]): float(row[metric]) for _, row in scores.iterrows()}
    tuned = [name for name in ranked if name.endswith(TUNED_SUFFIX)]
    roles = dict(zip(scores["model_name"], scores["role"], strict=True))
    baselines = [name for name in ranked if roles[name] == "baseline"]
    current = next((name for name in ranked if roles[name] == "challenger" and name not in tuned), None)
    own = [name for name in evaluated.excluded_challengers if not name.endswith(TUNED_SUFFIX)]
    current = current or (own[0] if own else None)  # without finite losses, so a model that has them is better
    tuned += [name for name in evaluated.excluded_challengers if name.endswith(TUNED_SUFFIX)]
    once = gate.model_copy(update={"nights": 1})  # one search is one test
    promotion = decide_promotion(losses, tuned, current, baselines, once, Evidence(evaluated.lead))
    promotion = promotion.model_copy(update={"reason": "; ".join((promotion.reason, *evaluated.passed_over))})
    better = searched.is_new and promotion.winner is not None
    compared = {name: ranked[name] for name in (*tuned, current, *baselines[:1]) if name in ranked}
    columns = ["model_name", "role", *METRICS]
    return TuningOutcome(
        pipeline=context.pipeline,
        as_of=context.as_of,
        better=better,
        found=searched.is_new,
        name=searched.best.model.name,
        recipe=searched.best,
        settings={name: flatten_settings(searched.best)[name] for name in searched.settings},
        seed=searched.seed,
        asked=searched.trial_count,
        ended=searched.ended,
        metric=metric,
        validation={"best": searched.best_loss} | ({"own": searched.own_loss} if searched.own_loss is not None else {}),
        p_value=promotion.p_value if searched.is_new else None,
        reason=promotion.reason if searched.is_new else "the best trial is one of the pipeline's own models",
        leaderboard=tuple(scores[columns].astype(object).where(scores[columns].notna(), None).to_dict("records")),
        trials=searched.trials,
        sentence=_describe_outcome(searched, compared, better, promotion, metric),
    )


def _describe_outcome(
    searched: SearchResult, losses: dict[str, float], better: bool, promotion: PromotionDecision, metric: str
) -> str:
    """Describe the outcome in the last line of `tune`. `losses` has the best configuration first."""
    name = searched.best.model.name
    if not searched.is_new:
        own = f"{name} ({metric} {searched.best_loss:.4g} on the validation windows)"
        return f"{searched.ended} found nothing better than {own}: keep the current settings"
    if not better:
        return f"{name} is not better on the test windows ({promotion.reason}): keep the current settings"
    best_loss, *other_losses = losses.values()
    scores = f"{metric} " + ", ".join(f"{loss:.4g} of {model}" for model, loss in losses.items())
    p_value = f"; p = {promotion.p_value:.3f}" if promotion.p_value is not None else ""
    return f"{name} is better on the test windows by {1 - best_loss / other_losses[0]:.1%} ({scores}{p_value})"
