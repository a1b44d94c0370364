"""The promotion test: a challenger replaces the champion only if it is significantly better on the same windows.

Without a champion to compare with, the best challenger is promoted if it beats every baseline. A loss that is not
finite, at any origin, disqualifies a model: a mean over the other origins would hide where it fails.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt

from data_contracts.spec import SettingsSpec, Spec
from models.predictive_accuracy import equal_accuracy_p_value
from tasks.promotion.evidence import Evidence, join_gains, relative_gains
from tasks.promotion.intervals import IntervalCoverage
from tasks.promotion.segments import SegmentComparison

NO_EVIDENCE = Evidence()
NO_CHAMPION = "there was no champion"  # part of the reason of a first promotion


class PromotionSpec(SettingsSpec):
    """`min_gain` is a share of the champion's loss, `significance` the risk of a promotion by luck within `nights`.

    `shadow_nights` is the number of nights, the last included, in which a challenger of this name must have been
    compared with the champion before it may be promoted.

    `max_segment_increase` is the share of the champion's loss by which the loss of a segment may be higher,
    `max_coverage_error` how far the coverage of the outer interval may be off, as a share of the actuals. Both gates
    are off by default: only the owner knows which segments and intervals matter.

    The level of one test is `significance` divided by `nights` and by the number of challengers with a finite loss
    (Bonferroni), because the best of several equal models, and the best of several nights, often wins by chance.
    """

    min_gain: float = Field(0.0, ge=0, lt=1)
    significance: float = Field(0.05, gt=0, le=1)
    nights: PositiveInt = Field(30, le=10_000)
    shadow_nights: PositiveInt = Field(1, le=112)
    max_segment_increase: float | None = Field(
        None, ge=0,
        description="share of the champion's loss by which any series, or all series with a static value, may be "
        "significantly worse; by default not checked",
    )  # fmt: skip
    max_coverage_error: float | None = Field(
        None, ge=0, lt=1,
        description="how far the coverage of the outer interval may be off, such as 0.1 for 10 points, unless the "
        "champion's is as far off; by default not checked",
    )  # fmt: skip

    def level(self, challengers: int) -> float:
        """Return the level of the test of one night with this many challengers."""
        return self.significance / self.nights / challengers


class PromotionDecision(Spec):
    """The label of the challenger that is promoted, if any, and the reason of the decision.

    `best` is the challenger with the lowest loss, `gain` how far its loss is below the champion's as a share of that,
    `p_value` and `level` are those of the test; None if nothing was compared. `segment` is the one in which `best`
    compares worst, `coverage` that of its interval, `champion_coverage` that of the champion or, without one, of the
    best baseline; None if the gate is off or has nothing to compare.
    """

    winner: str | None
    reason: str
    best: str | None = None
    gain: float | None = None
    p_value: float | None = None
    level: float | None = None
    segment: SegmentComparison | None = None
    coverage: IntervalCoverage | None = None
    champion_coverage: IntervalCoverage | None = None

    @property
    def numbers(self) -> dict[str, str | float | None]:
        """The numbers of the test and of the gates by name, for tags; None where nothing was compared."""
        segment, coverage = self.segment, self.coverage
        gates: dict[str, str | float | None] = {}
        if segment:
            gates |= {
                "segment": segment.label,
                "segment_increase": segment.increase,
                "segment_p_value": segment.p_value,
            }
        if coverage:
            gates |= {"coverage": coverage.inside, "coverage_error": coverage.error}
        return {"gain": self.gain, "p_value": self.p_value, "level": self.level} | gates

    @property
    def record(self) -> dict[str, Any]:
        """The fields that the decision record keeps; those of a gate only if it has measured something."""
        gates = self.model_dump(include={"segment", "coverage", "champion_coverage"}, exclude_none=True)
        return self.model_dump(include={"best", "gain", "p_value", "level"}) | gates


def nonfinite_origin(losses: pd.Series) -> str | None:
    """Describe the first origin at which a model has no finite loss.

    Args:
        losses: Losses of one model by origin.

    Returns:
        The number of origins without a finite loss, and the first of them; None if every loss is finite.
    """
    failing = losses.index[~np.isfinite(losses.to_numpy(dtype=float))]
    if not len(failing):
        return None
    first = failing[0]
    name = f"{first:%Y-%m-%d %H:%M} UTC" if isinstance(first, pd.Timestamp) else str(first)
    return f"{len(failing)} of {len(losses)} origins, the first {name}"


def decide_promotion(
    losses: pd.DataFrame,
    challengers: list[str],
    champion: str | None,
    baselines: list[str],
    spec: PromotionSpec,
    evidence: Evidence = NO_EVIDENCE,
) -> PromotionDecision:
    """Decide whether the best challenger is promoted: it must beat every baseline, and the champion significantly.

    Args:
        losses: Losses, (origins, models), with a column per label, as `losses_by_origin` returns them.
        challengers: Labels of this night's models.
        champion: Label of the champion, or None.
        baselines: Labels of the baselines. A baseline is compared at the origins where its loss is finite.
        spec: The smallest gain and the significance level.
        evidence: How origins overlap, and gains over the same champion at earlier origins, as `earlier_gains` returns
            them. They count in the test, and tonight's mean loss must be lower too.

    Returns:
        The decision. A challenger with a loss that is not finite is never promoted.
    """
    # Every comparison below is written so that NaN loses.
    means = losses.mean()
    finite = [name for name in challengers if name in losses and _is_finite(losses[name])]
    partial = [name for name in challengers if name in losses and name not in finite and losses[name].notna().any()]
    disqualified = "; ".join(f"{name} has no finite loss at {nonfinite_origin(losses[name])}" for name in partial)
    if not finite:
        missing = "has a finite loss" if challengers else "was trained"
        reason = f"no challenger {missing}, so the champion stays"
        return PromotionDecision(winner=None, reason=_join(reason, disqualified))
    best = min(finite, key=lambda name: float(means[name]))
    best_loss = float(means[best])
    for name in baselines:
        own, baseline_loss = _compare_where_finite(losses, best, name)
        if math.isfinite(baseline_loss) and not own < baseline_loss:
            reason = f"{best} ({own:.4g}) does not beat {name} ({baseline_loss:.4g})"
            return PromotionDecision(winner=None, reason=_join(reason, disqualified), best=best)
    if champion is None:
        reason = f"{best} ({best_loss:.4g}) beats every baseline, and {NO_CHAMPION}"
        return PromotionDecision(winner=best, reason=_join(reason, disqualified), best=best)
    decision = _compare_with_champion(champion, best, losses, spec, spec.level(len(finite)), evidence)
    return decision.model_copy(update={"reason": _join(decision.reason, disqualified)})


def _is_finite(losses: pd.Series) -> bool:
    """Whether a model has a finite loss at every origin, and a finite mean: a sum of large losses can overflow."""
    return nonfinite_origin(losses) is None and math.isfinite(float(losses.mean()))


def _join(reason: str, disqualified: str) -> str:
    return "; ".join(filter(None, [reason, disqualified]))


def _compare_where_finite(losses: pd.DataFrame, challenger: str, baseline: str) -> tuple[float, float]:
    """Return both mean losses over the origins at which the baseline has a finite loss; NaN if it has none."""
    if baseline not in losses:
        return math.nan, math.nan
    rows = np.isfinite(losses[baseline].to_numpy(dtype=float))
    means = losses.loc[rows, [challenger, baseline]].mean()
    return float(means[challenger]), float(means[baseline])


def _compare_with_champion(
    champion: str,
    best: str,
    losses: pd.DataFrame,
    spec: PromotionSpec,
    level: float,
    evidence: Evidence,
) -> PromotionDecision:
    best_loss = float(losses[best].mean())
    failing = nonfinite_origin(losses[champion]) if champion in losses else "every origin"
    if failing:
        missing = "none" if champion not in losses or losses[champion].isna().all() else f"none at {failing}"
        reason = f"{best} ({best_loss:.4g}) has a finite loss, and {champion} has {missing}"
        return PromotionDecision(winner=best, reason=reason, best=best)
    champion_loss = float(losses[champion].mean())
    gains = join_gains(evidence.earlier.get(best), relative_gains(losses[best], losses[champion]))
    p_value = equal_accuracy_p_value(gains, evidence.overlap)
    comparison = f"{best} ({best_loss:.4g}) against {champion} ({champion_loss:.4g})"
    test = f"p = {p_value:.2g} over {len(gains)} origins, level {level:.2g}"
    by = f" by {spec.min_gain:.0%}" if spec.min_gain else ""
    gain = 1 - best_loss / champion_loss if champion_loss else 0.0
    numbers = {"best": best, "gain": gain, "p_value": p_value, "level": level}
    if not best_loss < champion_loss * (1 - spec.min_gain):
        reason = f"{comparison}: not better{by}"
        return PromotionDecision(winner=None, reason=reason, **numbers)
    if not p_value < level:
        reason = f"{comparison}: better, but not significantly ({test})"
        return PromotionDecision(winner=None, reason=reason, **numbers)
    seen = evidence.nights.get(best, 0) + 1
    if seen < spec.shadow_nights:
        reason = f"{comparison}: significantly better ({test}), in night {seen} of {spec.shadow_nights} in shadow"
        return PromotionDecision(winner=None, reason=reason, **numbers)
    return PromotionDecision(winner=best, reason=f"{comparison}: significantly better ({test})", **numbers)
