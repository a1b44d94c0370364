"""The promotion test: only a significantly better challenger with a finite loss wins."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.registry.promotion import PromotionSpec, decide_promotion, diebold_mariano_p_value

SPEC = PromotionSpec()
NAN = float("nan")


def losses(**models: list[float]) -> pd.DataFrame:
    return pd.DataFrame(models)


CHAMPION = [1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8, 1.1]
BETTER = [0.5, 0.7, 0.5, 0.6, 0.4, 0.8, 0.3, 0.7]


def test_better_challenger_wins() -> None:
    verdict = decide_promotion(losses(new=BETTER, old=CHAMPION), ["new"], "old", [], SPEC)
    assert verdict.winner == "new"
    assert verdict.p_value is not None
    assert verdict.p_value < 0.001
    assert verdict.reason == "new (0.5625) against old (1.05), p = 0.000: significantly better"


def test_p_value_is_diebold_mariano_with_the_harvey_correction() -> None:
    challenger, champion = np.array([1.0, 2.0, 3.0, 2.0]), np.array([2.0, 2.0, 4.5, 2.5])
    # gains 1, 0, 1.5, 0.5: mean 0.75, variance about it (0.0625 + 0.5625 + 0.5625 + 0.0625) / 4 = 0.3125
    # DM = 0.75 / sqrt(0.3125 / 4) = 2.683; times sqrt(3 / 4) = 2.324; one-sided t with 3 degrees of freedom
    assert diebold_mariano_p_value(challenger, champion) == pytest.approx(stats.t.sf(2.3237900077244502, 3), rel=1e-12)
    assert diebold_mariano_p_value(challenger, champion) == pytest.approx(0.051365, abs=1e-6)
    assert diebold_mariano_p_value(challenger, champion) == pytest.approx(
        stats.ttest_rel(champion, challenger, alternative="greater").pvalue, rel=1e-12
    )


@pytest.mark.parametrize(
    ("challenger", "champion", "p_value"),
    [
        ([1.0, 1.0], [9.0, 9.0], 1.0),  # too few to tell
        ([1.0, NAN, 1.0, NAN], [2.0, 2.0, 2.5, 9.0], 1.0),
        ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], 0.0),  # always better by the same
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], 1.0),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1.0),  # the same model
        ([NAN] * 4, [1.0] * 4, 1.0),
        ([math.inf] * 4, [1.0] * 4, 1.0),
        ([0.1, 0.2, 0.1, NAN, 0.2], [2.0, 2.1, 2.0, 2.0, 2.2], 1.0),
        ([0.1, 0.2, 0.1, 0.1, 0.2], [2.0, 2.1, math.inf, 2.0, 2.2], 1.0),
    ],
)
def test_p_value_of_edge_cases(challenger: list[float], champion: list[float], p_value: float) -> None:
    assert diebold_mariano_p_value(np.array(challenger), np.array(champion)) == p_value


def test_overlapping_errors_give_a_higher_p_value() -> None:
    draw = np.random.default_rng(1)
    walk = np.convolve(draw.normal(size=40), np.ones(4) / 4, mode="valid") + 0.15
    challenger, champion = np.zeros(len(walk)), walk
    assert diebold_mariano_p_value(challenger, champion, overlap=4) > diebold_mariano_p_value(
        challenger, champion, overlap=1
    )
    # 1, 0, 1.5, 0.5 swing to and fro: the estimate at lead 2 is below zero, and tells nothing
    assert diebold_mariano_p_value(np.zeros(4), np.array([1.0, 0.0, 1.5, 0.5]), overlap=2) == 1.0


def test_overlap_of_two_adds_the_covariance_of_neighbours() -> None:
    table = np.array([1.0, 0.8, -0.2, 0.1, 0.9, 1.1])
    deviations = table - table.mean()
    spread = (deviations @ deviations + 2 * (deviations[1:] @ deviations[:-1])) / 6
    statistic = table.mean() / math.sqrt(spread / 6) * math.sqrt((6 + 1 - 4 + 2 / 6) / 6)
    assert diebold_mariano_p_value(np.zeros(6), table, overlap=2) == pytest.approx(stats.t.sf(statistic, 5), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=3, max_size=30))
def test_p_values_of_both_directions_sum_to_one(pairs: list[tuple[float, float]]) -> None:
    challenger, champion = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    forward, backward = diebold_mariano_p_value(challenger, champion), diebold_mariano_p_value(champion, challenger)
    assert 0 <= forward <= 1
    assert forward + backward == pytest.approx(1, abs=1e-6) or (forward == backward == 1)


@pytest.mark.parametrize("nothing", [NAN, math.inf, -math.inf])
def test_challenger_without_a_finite_loss_never_wins(nothing: float) -> None:
    bad = [nothing] * 8
    assert decide_promotion(losses(new=bad, old=CHAMPION), ["new"], "old", [], SPEC).winner is None
    assert decide_promotion(losses(new=bad), ["new"], None, [], SPEC).winner is None
    assert (
        decide_promotion(losses(new=bad, good=BETTER, old=CHAMPION), ["new", "good"], "old", [], SPEC).winner == "good"
    )


@pytest.mark.parametrize("nothing", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("failing", [1, 4, 7])
@pytest.mark.parametrize("champion", ["old", None])
def test_challenger_that_fails_at_some_origins_never_wins(nothing: float, failing: int, champion: str | None) -> None:
    half = [nothing] * failing + [0.01] * (8 - failing)  # far better than the champion wherever it is finite
    table = losses(new=half, old=CHAMPION, naive=[2.0] * 8)
    verdict = decide_promotion(table, ["new"], champion, ["naive"], SPEC)
    assert verdict.winner is None
    assert verdict.reason.startswith("no challenger has a finite loss, so the champion stays")
    if failing < 8:
        assert verdict.reason.endswith(f"new has no finite loss at {failing} of 8 origins, the first 0")
    second = decide_promotion(losses(new=half, good=BETTER, old=CHAMPION), ["new", "good"], champion, [], SPEC)
    assert second.winner == "good"
    assert f"new has no finite loss at {failing} of 8 origins" in second.reason


def test_reason_names_the_first_origin_by_its_time() -> None:
    table = losses(new=[0.1, NAN, NAN], old=[1.0] * 3)
    table.index = pd.date_range("2024-03-05 23:00", periods=3, freq="D", tz="UTC")
    verdict = decide_promotion(table, ["new"], "old", [], SPEC)
    assert verdict.reason.endswith("new has no finite loss at 2 of 3 origins, the first 2024-03-06 23:00 UTC")


def test_challenger_whose_mean_loss_overflows_never_wins() -> None:
    assert (
        decide_promotion(losses(new=[1.7e308] * 3, naive=[math.inf] * 3), ["new"], None, ["naive"], SPEC).winner is None
    )


def test_champion_that_fails_at_some_origins_is_replaced_with_reason() -> None:
    verdict = decide_promotion(losses(new=BETTER, old=[0.1, NAN, *[0.1] * 6]), ["new"], "old", [], SPEC)
    assert verdict.winner == "new"
    assert verdict.reason == "new (0.5625) has a finite loss, and old has none at 1 of 8 origins, the first 1"


def test_baseline_that_fails_at_some_origins_is_compared_at_the_others() -> None:
    table = losses(new=[9.0, 1.0, 1.0], naive=[NAN, 0.5, 0.5])
    verdict = decide_promotion(table, ["new"], None, ["naive"], SPEC)
    assert (verdict.winner, verdict.reason) == (None, "new (1) does not beat naive (0.5)")
    assert decide_promotion(losses(new=[9.0, 0.1, 0.1], naive=[NAN, 0.5, 0.5]), ["new"], None, ["naive"], SPEC).winner


def test_champion_without_a_finite_loss_is_replaced() -> None:
    verdict = decide_promotion(losses(new=BETTER, old=[NAN] * 8), ["new"], "old", [], SPEC)
    assert (verdict.winner, verdict.reason) == ("new", "new (0.5625) has a finite loss, and old has none")
    assert decide_promotion(losses(new=BETTER), ["new"], "old", [], SPEC).winner == "new"


def test_challenger_must_beat_every_baseline_that_has_a_loss() -> None:
    table = losses(new=BETTER, old=CHAMPION, naive=[0.5] * 8, odd=[NAN] * 8)
    verdict = decide_promotion(table, ["new"], "old", ["odd", "naive"], SPEC)
    assert (verdict.winner, verdict.reason) == (None, "new (0.5625) does not beat naive (0.5)")
    assert decide_promotion(table, ["new"], "old", ["odd"], SPEC).winner == "new"


def test_equal_loss_is_not_better() -> None:
    assert decide_promotion(losses(new=BETTER, naive=BETTER), ["new"], None, ["naive"], SPEC).winner is None
    verdict = decide_promotion(losses(new=CHAMPION, old=CHAMPION), ["new"], "old", [], SPEC)
    assert verdict.winner is None
    assert verdict.reason.endswith("not better")


def test_first_champion_must_only_beat_the_baselines() -> None:
    verdict = decide_promotion(
        losses(new=BETTER, other=CHAMPION, naive=[2.0] * 8), ["new", "other"], None, ["naive"], SPEC
    )
    assert verdict.winner == "new"
    assert verdict.reason == "new (0.5625) beats every baseline, and there was no champion"


def test_gain_below_min_gain_is_not_enough() -> None:
    table = losses(new=[0.95 * loss for loss in CHAMPION], old=CHAMPION)
    assert decide_promotion(table, ["new"], "old", [], SPEC).winner == "new"
    assert decide_promotion(table, ["new"], "old", [], PromotionSpec(min_gain=0.1)).winner is None


def test_insignificant_gain_is_not_enough() -> None:
    lucky = [*CHAMPION[:-1], 0.2]
    verdict = decide_promotion(losses(new=lucky, old=CHAMPION), ["new"], "old", [], SPEC)
    assert verdict.winner is None
    assert "better, but not significantly" in verdict.reason


@pytest.mark.parametrize(("lacking", "challengers"), [("was trained", []), ("has a finite loss", ["new"])])
def test_champion_stays_without_a_challenger(lacking: str, challengers: list[str]) -> None:
    verdict = decide_promotion(losses(new=[NAN] * 3, old=[1.0] * 3), challengers, "old", [], SPEC)
    assert (verdict.winner, verdict.reason) == (None, f"no challenger {lacking}, so the champion stays")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_false_promotion_rate_stays_below_the_level(count: int) -> None:
    draw, nights, wins = np.random.default_rng(count), 800, 0
    names = [f"new{number}" for number in range(count)]
    for _ in range(nights):
        hard = draw.gamma(2, 1, 28)  # some days are hard for everybody
        table = pd.DataFrame({name: hard + draw.normal(0, 0.3, 28) for name in ("old", *names)})
        wins += decide_promotion(table, names, "old", [], SPEC).winner is not None
    assert wins / nights < 0.05 + 3 * math.sqrt(0.05 * 0.95 / nights)


def test_better_challenger_is_detected_nearly_always() -> None:
    draw, wins = np.random.default_rng(0), 0
    for _ in range(200):
        hard = draw.gamma(2, 1, 28)
        table = pd.DataFrame({"old": hard + draw.normal(0, 0.3, 28), "new": hard - 0.3 + draw.normal(0, 0.3, 28)})
        wins += decide_promotion(table, ["new"], "old", [], SPEC).winner == "new"
    assert wins > 180


def test_gains_at_overlapping_origins_count_less() -> None:
    draw = np.random.default_rng(11)
    noise = draw.normal(size=63)
    gains = np.convolve(noise, np.ones(4) / 4, mode="valid") + 0.1  # each horizon reaches over four origins
    assert diebold_mariano_p_value(np.zeros(60), gains, overlap=4) > diebold_mariano_p_value(np.zeros(60), gains)
