"""The gate: a challenger replaces the champion only if it is better, and not by luck, on the same windows."""

import math

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from data_contracts.spec import Spec


class PromotionSpec(Spec):
    """`min_gain` is a share of the champion's loss; `significance` is the level of the one-sided test against it."""

    min_gain: float = Field(0.0, ge=0, lt=1)
    significance: float = Field(0.05, gt=0, le=1)


class Verdict(Spec):
    """Who wins the gate, if anyone, and the figures that decided."""

    winner: str | None
    reason: str
    p_value: float | None = None


def luck(ours: np.ndarray, theirs: np.ndarray) -> float:
    """One-sided p-value of 'ours is not better', from paired losses at successive origins, each (origins,).

    Diebold and Mariano (1995) with the small-sample correction of Harvey, Leybourne and Newbold (1997) at lead 1:
    origins are a horizon apart, so that their errors do not overlap. 1.0 where there are too few pairs to tell.
    """
    gains = theirs - ours
    gains = gains[np.isfinite(gains)]
    count = len(gains)
    if count < 3:
        return 1.0
    spread = gains.std(ddof=0)
    if spread == 0:
        return 0.0 if gains.mean() > 0 else 1.0
    statistic = gains.mean() / (spread / math.sqrt(count)) * math.sqrt((count - 1) / count)
    return float(stats.t.sf(statistic, df=count - 1))


def judge(
    losses: pd.DataFrame, challengers: list[str], champion: str | None, baselines: list[str], spec: PromotionSpec
) -> Verdict:
    """Judge the best challenger. `losses` is (origins x models); every comparison is written so that NaN loses."""
    means = losses.mean()
    finite = [name for name in challengers if math.isfinite(means.get(name, math.nan))]
    if not finite:
        return Verdict(winner=None, reason="no challenger was trained, so the champion stays")
    best = min(finite, key=lambda name: float(means[name]))
    for name in baselines:
        rival = float(means.get(name, math.nan))
        if math.isfinite(rival) and not float(means[best]) < rival:
            return Verdict(winner=None, reason=f"{best} ({means[best]:.4g}) does not beat {name} ({rival:.4g})")
    if champion is None:
        return Verdict(
            winner=best, reason=f"{best} ({means[best]:.4g}) beats every baseline, and there was no champion"
        )
    holder = float(means[champion])
    p_value = luck(losses[best].to_numpy(), losses[champion].to_numpy())
    told = f"{best} ({means[best]:.4g}) against {champion} ({holder:.4g}), p = {p_value:.3f}"
    if math.isfinite(holder) and not float(means[best]) < holder * (1 - spec.min_gain):
        return Verdict(winner=None, reason=f"{told}: not better by {spec.min_gain:.0%}", p_value=p_value)
    if math.isfinite(holder) and not p_value < spec.significance:
        return Verdict(winner=None, reason=f"{told}: better, but maybe by luck", p_value=p_value)
    return Verdict(winner=best, reason=f"{told}: better, and not by luck", p_value=p_value)
