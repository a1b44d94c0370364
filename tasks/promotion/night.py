"""What one night decides: whether a challenger is promoted, and whether a baseline forecasts for the champion."""

import numpy as np
import pandas as pd

from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate
from tasks.promotion.baseline_fallback import choose_baseline, describe_excess
from tasks.promotion.decision import NO_CHAMPION, PromotionDecision, PromotionSpec, decide_promotion
from tasks.promotion.evidence import Evidence, RecordedGains
from tasks.promotion.gates import GateEvidence, check_gates
from tasks.results.evaluation import EvaluationResult
from tasks.results.forecast import Fallback


class NightDecision(Spec):
    """The promotion decision, the gains that the record keeps for later nights, and the baseline that forecasts."""

    promotion: PromotionDecision
    gains: RecordedGains | None = None
    fallback: Fallback | None = None
    excess: str = ""  # that the champion's loss is far above that of a baseline, which does not forecast


def decide_night(
    losses: pd.DataFrame,
    evaluated: EvaluationResult,
    spec: PromotionSpec,
    metric: str,
    nights: tuple[RecordedGains, ...] = (),
    gates: GateEvidence | None = None,
) -> NightDecision:
    """Compare the challengers with the champion, and the champion with the baselines.

    Args:
        losses: Losses, (origins, models), with a column per label.
        evaluated: The candidates of the night, and those that could not be compared.
        spec: Settings of the promotion test.
        metric: Name of the losses.
        nights: What earlier nights have recorded against the same champion, the latest first.
        gates: What the gates of `spec` compare; None checks none.

    Returns:
        The decision. Gains and fallback need a champion that was compared. A challenger that is promoted forecasts: it
        is better than every baseline.
    """
    champion = evaluated.with_role("champion")[:1]
    promotion = _decide(losses, evaluated, champion, spec, nights)
    if gates:
        promotion = check_gates(promotion, _find_reference(losses, evaluated), gates, spec, evaluated.lead)
    if not champion:
        return NightDecision(promotion=promotion)
    gains = RecordedGains.of_night(losses, metric, champion[0], evaluated.with_role("challenger"))
    if promotion.winner:
        return NightDecision(promotion=promotion, gains=gains)
    previous = nights[0].baseline if nights else ""
    baselines = evaluated.with_role("baseline")
    fallback = choose_baseline(losses, champion[0], baselines, previous, metric, evaluated.lead)
    if fallback:
        gains = gains.model_copy(update={"baseline": fallback.candidate.name})
    excess = "" if fallback else describe_excess(losses, champion[0], baselines, metric)
    return NightDecision(promotion=promotion, gains=gains, fallback=fallback, excess=excess)


def _find_reference(losses: pd.DataFrame, evaluated: EvaluationResult) -> str | None:
    """Return the label of the model that forecasts if no challenger is promoted, and that gates compare with.

    It is the champion or, without a champion that was made for this setup, the best baseline. None for a champion whose
    forecasts are not finite.
    """
    champion = next(iter(evaluated.with_role("champion")), None)
    if champion or any(
        model.cause == "not finite" and model.candidate.role == "champion" for model in evaluated.excluded
    ):
        return champion.label if champion else None
    means = {
        model.label: float(losses[model.label].mean())
        for model in evaluated.with_role("baseline")
        if model.label in losses and np.isfinite(losses[model.label]).all()
    }
    return min(means, key=lambda label: means[label], default=None)


def _decide(
    losses: pd.DataFrame,
    evaluated: EvaluationResult,
    champion: tuple[Candidate, ...],
    spec: PromotionSpec,
    nights: tuple[RecordedGains, ...],
) -> PromotionDecision:
    """Decide the promotion. A champion that cannot be read is a fault: no challenger is promoted without comparing."""
    if lost := evaluated.lost_champion:
        reason = f"{lost.label} could not be compared, so it stays champion and no challenger is promoted"
        return PromotionDecision(winner=None, reason=reason)
    excluded = next((model for model in evaluated.excluded if model.candidate.role == "champion"), None)
    label = champion[0].label if champion else None
    if excluded and excluded.cause == "not finite":
        label = excluded.candidate.label  # it has no column of losses, so a challenger with finite losses is better
    challengers = [*(model.label for model in evaluated.with_role("challenger")), *evaluated.excluded_challengers]
    baselines = [model.label for model in evaluated.with_role("baseline")]
    evidence = Evidence.of(evaluated.lead, nights)
    decision = decide_promotion(losses, challengers, label, baselines, spec, evidence)
    if not excluded:
        return decision
    reason = decision.reason.replace(NO_CHAMPION, f"{excluded.candidate.label} could not be compared")
    return decision.model_copy(update={"reason": reason})
