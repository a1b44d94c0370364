"""The gate: a challenger replaces the champion only if it is better, and not by luck, on the same windows."""

import math

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from data_contracts.spec import Spec


class PromotionSpec(Spec):
    """`min_gain` is a share of the champion's loss; `significance` is the level of the one-sided test against it.

    The level is shared among tonight's challengers: the best of four that are no better is often lucky.
    """

    min_gain: float = Field(0.0, ge=0, lt=1)
    significance: float = Field(0.05, gt=0, le=1)


class PromotionDecision(Spec):
    """Who wins the gate, if anyone, and the figures that decided."""

    winner: str | None
    reason: str
    p_value: float | None = None


def diebold_mariano_p_value(ours: np.ndarray, theirs: np.ndarray, lead: int = 1) -> float:
    """One-sided p-value of 'ours is not better', from paired losses at successive origins, each (origins,).

    Diebold and Mariano (1995) with the small-sample correction of Harvey, Leybourne and Newbold (1997). `lead` is how
    many origins a horizon reaches over: 1 where errors do not overlap. 1.0 where there are too few pairs to tell.
    """
    gains = theirs - ours
    gains = gains[np.isfinite(gains)]
    count, mean = len(gains), float(gains.mean()) if len(gains) else 0.0
    if count < max(3, lead + 1):
        return 1.0
    away = gains - mean
    variance = float(away @ away) / count
    variance += 2 * sum(float(away[lag:] @ away[:-lag]) / count for lag in range(1, lead))
    if variance <= 0:  # overlap can make the estimate negative: then only a gain without any spread is certain
        return 0.0 if mean > 0 and not away.any() else 1.0
    correction = (count + 1 - 2 * lead + lead * (lead - 1) / count) / count
    statistic = mean / math.sqrt(variance / count) * math.sqrt(max(correction, 0.0))
    return float(stats.t.sf(statistic, df=count - 1))


def decide_promotion(
    losses: pd.DataFrame,
    challengers: list[str],
    champion: str | None,
    baselines: list[str],
    spec: PromotionSpec,
    lead: int = 1,
) -> PromotionDecision:
    """Judge the best challenger. `losses` is (origins x models); every comparison is written so that NaN loses."""
    means = losses.mean()
    finite = [name for name in challengers if math.isfinite(means.get(name, math.nan))]
    if not finite:
        lacking = "has a finite loss" if challengers else "was trained"
        return PromotionDecision(winner=None, reason=f"no challenger {lacking}, so the champion stays")
    best = min(finite, key=lambda name: float(means[name]))
    for name in baselines:
        rival = float(means.get(name, math.nan))
        if math.isfinite(rival) and not float(means[best]) < rival:
            return PromotionDecision(
                winner=None, reason=f"{best} ({means[best]:.4g}) does not beat {name} ({rival:.4g})"
            )
    if champion is None:
        return PromotionDecision(
            winner=best, reason=f"{best} ({means[best]:.4g}) beats every baseline, and there was no champion"
        )
    stricter = spec.model_copy(update={"significance": spec.significance / len(finite)})  # the best of several is lucky
    return _compare_with_champion(champion, best, losses, stricter, lead)


def _compare_with_champion(
    champion: str, best: str, losses: pd.DataFrame, spec: PromotionSpec, lead: int
) -> PromotionDecision:
    ours, holder = float(losses[best].mean()), float(losses[champion].mean()) if champion in losses else math.nan
    if not math.isfinite(holder):
        return PromotionDecision(winner=best, reason=f"{best} ({ours:.4g}) has a finite loss, and {champion} has none")
    p_value = diebold_mariano_p_value(losses[best].to_numpy(), losses[champion].to_numpy(), lead)
    told = f"{best} ({ours:.4g}) against {champion} ({holder:.4g}), p = {p_value:.3f}"
    by = f" by {spec.min_gain:.0%}" if spec.min_gain else ""
    if not ours < holder * (1 - spec.min_gain):
        return PromotionDecision(winner=None, reason=f"{told}: not better{by}", p_value=p_value)
    if not p_value < spec.significance:
        return PromotionDecision(winner=None, reason=f"{told}: better, but maybe by luck", p_value=p_value)
    return PromotionDecision(winner=best, reason=f"{told}: better, and not by luck", p_value=p_value)
