"""Gates: what a challenger must not do, however low its mean loss is. A gate can only keep it from promotion.

promotion.max_segment_increase   no segment much worse than with the champion       segments.py
promotion.max_coverage_error     an interval that covers what it promises, or       intervals.py
                                 at most as far off as that of the champion
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import pandas as pd

from tasks.modeling.segments import losses_by_segment
from tasks.promotion.decision import PromotionDecision, PromotionSpec
from tasks.promotion.intervals import IntervalCoverage, describe_coverage_fault, measure_coverage
from tasks.promotion.segments import compare_segments, describe_segment_fault


class GateEvidence(NamedTuple):
    """What the gates compare, by label: losses by segment and origin, and the coverage of the outer interval."""

    losses: dict[str, pd.Series]
    coverage: dict[str, IntervalCoverage]


def collect_evidence(
    models: Iterator[tuple[str, pd.DataFrame]],
    evidence: GateEvidence,
    spec: PromotionSpec,
    metric: str,
    segments: pd.DataFrame,
    compared: Collection[str],
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Measure what the gates that are on need, while a backtest is read model by model.

    Args:
        models: Label and rows of each model.
        evidence: Where the measures are put.
        spec: Which gates are on.
        metric: The metric of the losses.
        segments: The columns that group series, indexed by unique_id.
        compared: Labels of the champion and the challengers, whose segments are compared.

    Yields:
        The models, unchanged.
    """
    for label, table in models:
        if spec.max_segment_increase is not None and label in compared:
            evidence.losses[label] = losses_by_segment(table, metric, segments)
        if spec.max_coverage_error is not None and (coverage := measure_coverage(table)):
            evidence.coverage[label] = coverage
        yield label, table


def check_gates(
    decision: PromotionDecision, reference: str | None, evidence: GateEvidence, spec: PromotionSpec, overlap: int = 1
) -> PromotionDecision:
    """Add the measures of the gates to a decision, and keep a challenger that fails from promotion.

    Args:
        decision: The decision by mean loss.
        reference: Label of the model that forecasts if the challenger is not promoted: the champion or, without one,
            the best baseline. Segments are compared with a champion only. None: nothing fails.
        evidence: The measures. A gate without the measures of both models is passed.
        spec: The limits.
        overlap: Number of origins that one horizon covers.

    Returns:
        The decision, with the reason of each gate that fails.
    """
    if decision.best is None:
        return decision
    best, other, faults = decision.best, reference or "", list[str]()
    worst, own, champion = None, evidence.coverage.get(best), evidence.coverage.get(other)
    if spec.max_segment_increase is not None and {best, other} <= evidence.losses.keys():
        limit = spec.max_segment_increase
        worst = compare_segments(evidence.losses[best], evidence.losses[other], limit, overlap)
        faults.append(describe_segment_fault(best, other, worst, limit))
    if spec.max_coverage_error is not None:
        faults.append(describe_coverage_fault(best, other, own, champion, spec.max_coverage_error))
    measured = decision.model_copy(update={"segment": worst, "coverage": own, "champion_coverage": champion})
    if decision.winner is None or not any(faults):
        return measured
    reason = f"{decision.reason}; not promoted: {'; '.join(filter(None, faults))}"
    return measured.model_copy(update={"winner": None, "reason": reason})
