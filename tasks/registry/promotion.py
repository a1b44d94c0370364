"""The promotion test: a challenger replaces the champion only if it is significantly better on the same windows.

Without a champion to compare with, the best challenger is promoted if it beats every baseline.
"""

import math

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from data_contracts.spec import Spec


class PromotionSpec(Spec):
    """`min_gain` is a share of the champion's loss; `significance` is the level of the one-sided test against it.

    The level is divided by the number of challengers with a finite loss (Bonferroni), because the best of several equal
    models often wins by chance.
    """

    min_gain: float = Field(0.0, ge=0, lt=1)
    significance: float = Field(0.05, gt=0, le=1)


class PromotionDecision(Spec):
    """The label of the challenger that is promoted, if any, and the p-value and reason of the decision."""

    winner: str | None
    reason: str
    p_value: float | None = None


def diebold_mariano_p_value(challenger: np.ndarray, champion: np.ndarray, overlap: int = 1) -> float:
    """Compute the one-sided Diebold-Mariano p-value for H0: the challenger is not better.

    Args:
        challenger: Losses at successive origins, (origins,).
        champion: Losses at the same origins, (origins,).
        overlap: Number of origins that one horizon covers; 1 if the errors of successive origins do not overlap.

    Returns:
        The p-value; 1.0 if there are fewer finite pairs than the test needs. Source: Diebold and Mariano 1995, with
        the small-sample correction of Harvey, Leybourne and Newbold 1997.
    """
    gains = champion - challenger
    gains = gains[np.isfinite(gains)]
    count, mean = len(gains), float(gains.mean()) if len(gains) else 0.0
    if count < max(3, overlap + 1):
        return 1.0
    deviations = gains - mean
    variance = float(deviations @ deviations) / count
    variance += 2 * sum(float(deviations[lag:] @ deviations[:-lag]) / count for lag in range(1, overlap))
    if variance <= 0:  # overlap can make the estimate negative: then only a constant gain is significant
        return 0.0 if mean > 0 and not deviations.any() else 1.0
    correction = (count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count
    statistic = mean / math.sqrt(variance / count) * math.sqrt(max(correction, 0.0))
    return float(stats.t.sf(statistic, df=count - 1))


def decide_promotion(
    losses: pd.DataFrame,
    challengers: list[str],
    champion: str | None,
    baselines: list[str],
    spec: PromotionSpec,
    overlap: int = 1,
) -> PromotionDecision:
    """Decide whether the best challenger is promoted: it must beat every baseline, and the champion significantly.

    Args:
        losses: Losses, (origins, models), with a column per label, as `losses_by_origin` returns them.
        challengers: Labels of this night's models.
        champion: Label of the champion, or None.
        baselines: Labels of the baselines. A baseline without a finite loss is not compared.
        spec: The smallest gain and the significance level.
        overlap: Number of origins that one horizon covers.

    Returns:
        The decision. A challenger whose loss is not finite is never promoted.
    """
    # Every comparison below is written so that NaN loses.
    means = losses.mean()
    finite = [name for name in challengers if math.isfinite(means.get(name, math.nan))]
    if not finite:
        missing = "has a finite loss" if challengers else "was trained"
        return PromotionDecision(winner=None, reason=f"no challenger {missing}, so the champion stays")
    best = min(finite, key=lambda name: float(means[name]))
    for name in baselines:
        baseline_loss = float(means.get(name, math.nan))
        if math.isfinite(baseline_loss) and not float(means[best]) < baseline_loss:
            return PromotionDecision(
                winner=None, reason=f"{best} ({means[best]:.4g}) does not beat {name} ({baseline_loss:.4g})"
            )
    if champion is None:
        return PromotionDecision(
            winner=best, reason=f"{best} ({means[best]:.4g}) beats every baseline, and there was no champion"
        )
    corrected = spec.model_copy(update={"significance": spec.significance / len(finite)})
    return _compare_with_champion(champion, best, losses, corrected, overlap)


def _compare_with_champion(
    champion: str, best: str, losses: pd.DataFrame, spec: PromotionSpec, overlap: int
) -> PromotionDecision:
    best_loss = float(losses[best].mean())
    champion_loss = float(losses[champion].mean()) if champion in losses else math.nan
    if not math.isfinite(champion_loss):
        reason = f"{best} ({best_loss:.4g}) has a finite loss, and {champion} has none"
        return PromotionDecision(winner=best, reason=reason)
    p_value = diebold_mariano_p_value(losses[best].to_numpy(), losses[champion].to_numpy(), overlap)
    comparison = f"{best} ({best_loss:.4g}) against {champion} ({champion_loss:.4g}), p = {p_value:.3f}"
    by = f" by {spec.min_gain:.0%}" if spec.min_gain else ""
    if not best_loss < champion_loss * (1 - spec.min_gain):
        return PromotionDecision(winner=None, reason=f"{comparison}: not better{by}", p_value=p_value)
    if not p_value < spec.significance:
        return PromotionDecision(winner=None, reason=f"{comparison}: better, but not significantly", p_value=p_value)
    return PromotionDecision(winner=best, reason=f"{comparison}: significantly better", p_value=p_value)
