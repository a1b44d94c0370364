"""Whether a challenger is much worse than the champion in a segment, although it is better over all series.

With many series some are worse by chance on every night, so a segment counts only if its loss is significantly worse.
"""

import math

import numpy as np
import pandas as pd

from data_contracts.spec import Spec
from models.predictive_accuracy import equal_accuracy_p_value

SEGMENT_RISK = 0.05  # per night, that chance makes a challenger fail that is as good as the champion in every segment
TOO_MUCH_WORSE = (
    "{best} is worse by more than {limit:.0%} in {failing} of {compared} segments, most in {segment}: {loss:.4g} "
    "against {champion_loss:.4g} of {champion} (p = {p_value:.2g}, level {level:.3g}). Check the data of this segment, "
    "or raise promotion.max_segment_increase"
)


class SegmentComparison(Spec):
    """The segment in which a challenger compares worst, with both losses, and in how many segments it fails.

    `by` is series, or segment and the name of a column, `name` the series or the value. `p_value` and `level` are those
    of the test that the challenger is not worse there.
    """

    by: str
    name: str
    loss: float
    champion_loss: float
    p_value: float
    level: float
    failing: int
    compared: int

    @property
    def increase(self) -> float | None:
        """How far the loss is above the champion's, as a share of that; None if that is 0."""
        return self.loss / self.champion_loss - 1 if self.champion_loss else None

    @property
    def label(self) -> str:
        """The segment for a sentence: series 'JFK', or town 'Bonn'."""
        return f"{self.by.removeprefix('segment ')} {self.name!r}"


def compare_segments(
    challenger: pd.Series, champion: pd.Series, max_increase: float, overlap: int = 1
) -> SegmentComparison | None:
    """Compare the losses of two models in every segment.

    Args:
        challenger: Losses by segment and origin, as `losses_by_segment` returns them.
        champion: Losses of the champion at the same origins.
        max_increase: Share of the champion's loss by which the loss of a segment may be higher.
        overlap: Number of origins that one horizon covers.

    Returns:
        The segment with the largest increase, of those that fail if any does; None if none can be compared. A segment
        fails if its loss is higher by more than `max_increase`, and significantly higher: the level of a test is
        SEGMENT_RISK divided by the number of columns and by the segments of the column (Bonferroni), so that
        many series do not lower the level of a column with few values. A segment with a loss that is not finite is not
        compared.
    """
    pairs = pd.DataFrame({"loss": challenger, "champion": champion}).sort_index()
    means, p_values = dict[tuple[str, str], tuple[float, float]](), dict[tuple[str, str], float]()
    for (by, name), rows in pairs.groupby(level=["by", "segment"], sort=True):
        losses = rows.to_numpy(float)
        if np.isfinite(losses).all():
            means[by, name] = (float(losses[:, 0].mean()), float(losses[:, 1].mean()))
            p_values[by, name] = equal_accuracy_p_value(losses[:, 0] - losses[:, 1], overlap)
    if not means:
        return None
    columns = [by for by, _ in means]
    levels = {by: SEGMENT_RISK / len(set(columns)) / columns.count(by) for by in set(columns)}

    def fails(segment: tuple[str, str]) -> bool:
        loss, champion_loss = means[segment]
        return loss > champion_loss * (1 + max_increase) and p_values[segment] < levels[segment[0]]

    def ratio(segment: tuple[str, str]) -> float:
        loss, champion_loss = means[segment]
        return loss / champion_loss if champion_loss else (math.inf if loss else 1.0)

    failing = [segment for segment in means if fails(segment)]
    worst = max(failing or means, key=ratio)
    return SegmentComparison(
        by=worst[0],
        name=worst[1],
        loss=means[worst][0],
        champion_loss=means[worst][1],
        p_value=p_values[worst],
        level=levels[worst[0]],
        failing=len(failing),
        compared=len(means),
    )


def describe_segment_fault(best: str, champion: str, worst: SegmentComparison | None, limit: float) -> str:
    """Return why a challenger fails the gate of segments, with both losses and what to do; empty if it passes."""
    if worst is None or not worst.failing:
        return ""
    return TOO_MUCH_WORSE.format(best=best, champion=champion, limit=limit, segment=worst.label, **worst.model_dump())
