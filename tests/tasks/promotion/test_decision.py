"""The promotion test: only a significantly better challenger with a finite loss wins."""

import math

import numpy as np
import pandas as pd
import pytest

from tasks.promotion.decision import PromotionSpec, decide_promotion
from tasks.promotion.evidence import Evidence, RecordedGains

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
    assert verdict.reason == (
        "new (0.5625) against old (1.05): significantly better (p = 0.00072 over 8 origins, level 0.0017)"
    )


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


@pytest.mark.parametrize(("origins", "share"), [(28, 0.1), (56, 0.7), (112, 0.99)])
def test_challenger_that_is_better_by_five_percent_is_detected_with_enough_origins(origins: int, share: float) -> None:
    draw, wins = np.random.default_rng(0), 0
    for _ in range(200):
        gains = draw.normal(0.05, 0.06, origins)
        table = pd.DataFrame({"old": np.ones(origins), "new": 1 - gains})
        wins += decide_promotion(table, ["new"], "old", [], SPEC).winner == "new"
    assert wins / 200 >= share


def test_gains_at_earlier_origins_count_in_the_test() -> None:
    dates = pd.date_range("2024-03-01", periods=8, freq="D", tz="UTC")
    table = losses(new=[0.9, 1.0, 0.8, 1.1, 0.9, 1.0, 0.9, 0.8], old=[1.0] * 8).set_axis(dates)
    alone = decide_promotion(table, ["new"], "old", [], SPEC)
    assert (alone.winner, alone.reason) == (
        None,
        "new (0.925) against old (1): better, but not significantly (p = 0.075 over 8 origins, level 0.0017)",
    )
    before = pd.Series([0.1, 0.0, 0.2, -0.1] * 9, pd.date_range("2024-01-25", periods=36, freq="D", tz="UTC"))
    joined = decide_promotion(table, ["new"], "old", [], SPEC, Evidence(earlier={"new": before}))
    assert joined.winner == "new"
    assert "over 44 origins" in joined.reason
    worse_tonight = table.assign(new=1.01)
    verdict = decide_promotion(worse_tonight, ["new"], "old", [], SPEC, Evidence(earlier={"new": before + 9}))
    assert (verdict.winner, verdict.reason) == (None, "new (1.01) against old (1): not better")


def test_level_is_the_significance_divided_by_nights_and_challengers() -> None:
    assert PromotionSpec().level(1) == pytest.approx(0.05 / 30)
    assert PromotionSpec(significance=0.1, nights=7).level(2) == pytest.approx(0.1 / 14)


@pytest.mark.parametrize(("earlier", "winner"), [(0, None), (1, None), (2, "new"), (9, "new")])
def test_challenger_is_promoted_after_its_nights_in_shadow(earlier: int, winner: str | None) -> None:
    spec = PromotionSpec(shadow_nights=3)
    night = RecordedGains(metric="mase", champion="0" * 64, gains={"new": {}})
    table = losses(new=BETTER, old=CHAMPION)
    verdict = decide_promotion(table, ["new"], "old", [], spec, Evidence.of(1, [night] * earlier))
    assert verdict.winner == winner
    if winner is None:
        assert verdict.reason.endswith(f"level 0.0017), in night {earlier + 1} of 3 in shadow")
    other = RecordedGains(metric="mase", champion="0" * 64, gains={"other": {}})
    assert decide_promotion(table, ["new"], "old", [], spec, Evidence.of(1, [other] * 5)).winner is None
