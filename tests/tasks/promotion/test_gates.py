"""A gate keeps a challenger with the lower mean loss from promotion, says why, and never promotes one."""

from typing import Any

import pandas as pd
import pytest

from tasks.modeling.candidate import Candidate, ExcludedCandidate
from tasks.promotion.decision import PromotionDecision, PromotionSpec, decide_promotion
from tasks.promotion.gates import GateEvidence, check_gates, collect_evidence
from tasks.promotion.intervals import IntervalCoverage
from tasks.promotion.night import NightDecision, decide_night
from tasks.results.evaluation import EvaluationResult
from tests.tasks.promotion.candidates import candidate

OLD, NEW, NAIVE = candidate("old", "champion", "3"), candidate("new"), candidate("naive", "baseline")
GATES = PromotionSpec(max_segment_increase=0.25, max_coverage_error=0.1)
CHAMPION = [1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8, 1.1]
BETTER = [0.5, 0.7, 0.5, 0.6, 0.4, 0.8, 0.3, 0.7]
DATES = pd.date_range("2024-03-01", periods=8, freq="D", tz="UTC")
WON = PromotionDecision(winner="new", reason="new is better", best="new", gain=0.4, p_value=1e-4, level=0.0017)
GOOD = IntervalCoverage(share=0.9, inside=0.88, error=0.02)
BAD = IntervalCoverage(share=0.9, inside=0.7, error=0.2)
WORSE = IntervalCoverage(share=0.9, inside=0.6, error=0.3)


def by_segment(**series: list[float]) -> pd.Series:
    index = pd.MultiIndex.from_product([["series"], list(series), range(8)], names=["by", "segment", "cutoff"])
    return pd.Series([loss for values in series.values() for loss in values], index)


ONE_WORSE = {"new": by_segment(a=BETTER, b=CHAMPION), "old v3": by_segment(a=CHAMPION, b=BETTER)}


def evidence(losses: dict[str, pd.Series] | None = None, **coverage: IntervalCoverage) -> GateEvidence:
    return GateEvidence(losses or {}, {"old v3" if name == "old" else name: value for name, value in coverage.items()})


def test_challenger_that_is_much_worse_in_a_segment_is_not_promoted() -> None:
    decision = check_gates(WON, "old v3", evidence(ONE_WORSE), GATES)
    assert decision.winner is None
    assert decision.reason.startswith(
        "new is better; not promoted: new is worse by more than 25% in 1 of 2 segments, most in series 'b': 1.05 "
        "against 0.5625 of old v3 (p = 0.00072, level 0.025). Check the data"
    )
    assert decision.segment is not None
    assert decision.segment.increase == pytest.approx(1.05 / 0.5625 - 1)
    assert decision.gain == 0.4


def test_challenger_with_a_bad_interval_is_not_promoted() -> None:
    decision = check_gates(WON, "old v3", evidence(new=BAD, old=GOOD), GATES)
    assert decision.winner is None
    assert "not promoted: the interval of new promises 90% and covers 70.0%" in decision.reason
    assert (decision.coverage, decision.champion_coverage) == (BAD, GOOD)


def test_both_reasons_are_given() -> None:
    reason = check_gates(WON, "old v3", evidence(ONE_WORSE, new=BAD, old=GOOD), GATES).reason
    assert "in 1 of 2 segments" in reason
    assert "covers 70.0%" in reason


def test_better_calibrated_challenger_is_promoted() -> None:
    decision = check_gates(WON, "old v3", evidence(new=BAD, old=WORSE), GATES)
    assert (decision.winner, decision.reason) == ("new", "new is better")
    assert decision.coverage == BAD


def test_gates_that_are_off_change_nothing() -> None:
    assert check_gates(WON, "old v3", evidence(), PromotionSpec()) == WON


def test_gate_promotes_no_challenger_and_its_measures_are_kept() -> None:
    lost = WON.model_copy(update={"winner": None, "reason": "not better"})
    decision = check_gates(lost, "old v3", evidence(ONE_WORSE, new=BAD, old=GOOD), GATES)
    assert (decision.winner, decision.reason) == (None, "not better")
    assert (decision.segment is not None, decision.coverage) == (True, BAD)
    nothing = PromotionDecision(winner=None, reason="no challenger was trained, so the champion stays")
    assert check_gates(nothing, "old v3", evidence(ONE_WORSE, new=BAD, old=GOOD), GATES) == nothing


def test_record_and_tags_have_the_measures_only_if_a_gate_is_on() -> None:
    assert WON.record == {"best": "new", "gain": 0.4, "p_value": 1e-4, "level": 0.0017}
    assert WON.numbers == {"gain": 0.4, "p_value": 1e-4, "level": 0.0017}
    decision = check_gates(WON, "old v3", evidence(ONE_WORSE, new=BAD, old=GOOD), GATES)
    assert decision.record.keys() - WON.record.keys() == {"segment", "coverage", "champion_coverage"}
    assert decision.record["coverage"] == {"share": 0.9, "inside": 0.7, "error": 0.2}
    assert decision.numbers["segment"] == "series 'b'"
    assert decision.numbers["coverage_error"] == 0.2


def test_measures_are_collected_while_the_models_are_read() -> None:
    rows = pd.DataFrame({"unique_id": ["a", "b"], "cutoff": [0, 0], "y": 1.0, "y_hat": [1.5, 3.0], "scale": 1.0})
    models = [("new", rows.assign(q05=0.0, q95=2.0)), ("naive", rows.assign(q05=2.0, q95=3.0))]
    collected = evidence()
    passed = list(collect_evidence(iter(models), collected, GATES, "mae", pd.DataFrame(), {"new"}))
    assert passed == models
    assert {name: losses.tolist() for name, losses in collected.losses.items()} == {"new": [0.5, 2.0]}
    assert {name: coverage.inside for name, coverage in collected.coverage.items()} == {"new": 1.0, "naive": 0.0}
    off = evidence()
    assert list(collect_evidence(iter(models), off, PromotionSpec(), "mae", pd.DataFrame(), {"new"})) == models
    assert off == ({}, {})


def decide(
    gates: GateEvidence, *models: Candidate, excluded: tuple[ExcludedCandidate, ...] = (), **losses: Any
) -> NightDecision:
    result = EvaluationResult(backtest=NEW.bundle, scores=NEW.bundle, candidates=models, excluded=excluded)
    table = pd.DataFrame({"old v3" if name == "old" else name: values for name, values in losses.items()}, DATES)
    return decide_night(table, result, GATES, "mase", (), gates)


def test_champion_stays_and_the_gains_are_kept() -> None:
    night = decide(evidence(ONE_WORSE), OLD, NEW, new=BETTER, old=CHAMPION)
    assert night.promotion.winner is None
    assert "in 1 of 2 segments" in night.promotion.reason
    assert night.gains is not None
    assert night.gains.gains.keys() == {"new"}


def test_first_champion_is_compared_with_the_best_baseline() -> None:
    poor = evidence(ONE_WORSE, new=BAD, naive=GOOD)
    night = decide(poor, NEW, NAIVE, new=BETTER, naive=CHAMPION)
    assert night.promotion.winner is None
    assert "than that of naive (2.0 points off)" in night.promotion.reason
    assert night.promotion.segment is None
    assert decide(evidence(new=BAD, naive=WORSE), NEW, NAIVE, new=BETTER, naive=CHAMPION).promotion.winner == "new"


def test_champion_that_is_not_finite_is_replaced() -> None:
    excluded = (ExcludedCandidate(candidate=OLD, cause="not finite", reason="old v3: NaN"),)
    night = decide(evidence(new=BAD, naive=GOOD), NEW, NAIVE, excluded=excluded, new=BETTER, naive=CHAMPION)
    assert night.promotion.winner == "new"


def test_decisions_without_gates_are_those_by_mean_loss() -> None:
    table = pd.DataFrame({"new": BETTER, "old v3": CHAMPION}, DATES)
    by_loss = decide_promotion(table, ["new"], "old v3", [], GATES)
    assert decide(evidence(), OLD, NEW, new=BETTER, old=CHAMPION).promotion == by_loss
