"""Whether a baseline forecasts in place of the champion: only if the baseline is significantly better.

Two models that are equally good have the lower mean loss on half of all nights each, so a comparison of means would
change the source of the forecasts every other night. The levels below keep the champion on at least 95 % of the nights
on which both are equal, also if the gains of successive origins have a correlation of 0.5: `tests/benchmarks` measures
it.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from models.predictive_accuracy import equal_accuracy_p_value
from tasks.modeling.candidate import Candidate
from tasks.promotion.decision import nonfinite_origin
from tasks.results.forecast import Fallback

ENTER_LEVEL = 0.02  # a baseline begins to forecast
STAY_LEVEL = 0.10  # a baseline that forecast last night goes on
MIN_ORIGINS = 7  # at which a loss far above that of a baseline is reported; at fewer, it often is by chance
MAX_EXCESS = 0.25  # of a loss above that of the best baseline; equally good models seldom differ by more
MIN_LOSS = 1e-6  # a smaller loss is rounding, as where all actuals are the same


def choose_baseline(
    losses: pd.DataFrame,
    champion: Candidate,
    baselines: Iterable[Candidate],
    previous: str,
    metric: str,
    overlap: int = 1,
) -> Fallback | None:
    """Choose the baseline that forecasts tonight in place of the champion.

    Args:
        losses: Losses, (origins, models), with a column per label.
        champion: The champion after the decision.
        baselines: The baselines. One is compared at the origins where its loss is finite.
        previous: Name of the baseline that forecast in place of the same champion on the night before, or empty.
        metric: Name of the losses, for the reason.
        overlap: Number of origins that one horizon covers.

    Returns:
        The baseline with the largest mean gain and the reason, if the gain is significant; None if the champion
        forecasts. The p-value is multiplied by the number of baselines (Bonferroni). For a champion with a loss that
        is not finite, the baseline with the lowest finite mean loss.
    """
    own = losses.get(champion.label)
    compared = {model: losses[model.label] for model in baselines if model.label in losses}
    if own is None or not compared:
        return None
    if not np.isfinite(own).all():
        finite = {model: float(values.mean()) for model, values in compared.items() if np.isfinite(values).all()}
        best = min(finite, key=lambda model: finite[model], default=None)
        reason = f"{champion.label} has no finite {metric} at {nonfinite_origin(own)}"
        return Fallback(candidate=best, degraded_reason=reason) if best else None
    gains = {model: (own - values)[np.isfinite(values)] for model, values in compared.items()}
    means = {model: float(values.mean()) for model, values in gains.items() if len(values)}
    best = max(means, key=lambda model: means[model], default=None)
    if best is None or not 0 < means[best] < math.inf:
        return None
    p_value = min(1.0, len(means) * equal_accuracy_p_value(gains[best].to_numpy(), overlap))
    level = STAY_LEVEL if previous == best.name else ENTER_LEVEL
    if not p_value < level:
        return None
    at = gains[best].index
    reason = (
        f"{best.label} has the lower {metric}: {losses.loc[at, best.label].mean():.4g} against {own[at].mean():.4g} of "
        f"{champion.label}, p = {p_value:.2g}, level {level:g}"
    )
    return Fallback(candidate=best, degraded_reason=reason)


def describe_excess(losses: pd.DataFrame, champion: Candidate, baselines: Iterable[Candidate], metric: str) -> str:
    """Say that the champion forecasts although its loss is far above that of a baseline.

    Args:
        losses: Losses, (origins, models), with a column per label.
        champion: The champion, which forecasts.
        baselines: The baselines. Those with a loss at each origin are compared.
        metric: Name of the losses.

    Returns:
        A clause with both losses; empty if the champion's mean loss is at most a quarter above the lowest or below
        MIN_LOSS, or if there are fewer than MIN_ORIGINS origins.
    """
    means = losses.mean(skipna=False).astype(float)
    labels = [model.label for model in baselines if np.isfinite(means.get(model.label, np.nan))]
    best = min(labels, key=lambda label: means[label], default=None)
    own = means.get(champion.label, np.nan)
    if best is None or len(losses) < MIN_ORIGINS or not own > max(MIN_LOSS, means[best] * (1 + MAX_EXCESS)):
        return ""
    return (
        f"the {metric.upper()} of {champion.label}, {own:.4g}, is far above that of {best}, {means[best]:.4g}, but the "
        "difference is not significant yet, so the champion goes on forecasting"
    )
