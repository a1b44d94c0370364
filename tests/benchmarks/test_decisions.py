"""Error rates of the nightly decisions: promotions by luck and real gains that are found, and false fallbacks.

Gains of a challenger over the champion are drawn origin by origin, with a correlation from one to the next. Every night
one origin is new. `shared` is the share of their variance that the challengers of all nights have in common: 1 if every
night trains the same network, 0 if no two are alike.
"""

import itertools

import numpy as np
import pandas as pd
import pytest

from tasks.promotion.baseline_fallback import choose_baseline
from tasks.promotion.decision import PromotionSpec, decide_promotion
from tasks.promotion.evidence import Evidence, RecordedGains, earlier_gains
from tasks.promotion.segments import compare_segments
from tests.tasks.promotion.candidates import candidate

pytestmark = pytest.mark.benchmark
CHAMPION, NEW, NAIVE = candidate("gru", "champion", "1"), candidate("new"), candidate("naive", "baseline")
SEEDS, NIGHTS = 200, 30
DATES = pd.date_range("2023-01-01", periods=400, freq="D", tz="UTC")


def correlated(draw: np.random.Generator, count: int, correlation: float) -> np.ndarray:
    """Draw an AR(1) series of unit variance, (count,)."""
    noise = draw.normal(size=count + 60) * np.sqrt(1 - correlation**2)
    for step in range(1, len(noise)):
        noise[step] += correlation * noise[step - 1]
    return noise[60:]


def first_promotion(seed: int, origins: int, correlation: float, shared: float, gain: float, nights: int) -> int | None:
    """Return the night of the first promotion, from 1; None if there is none."""
    draw = np.random.default_rng(seed)
    common = correlated(draw, origins + nights, correlation)
    records: tuple[RecordedGains, ...] = ()
    for night in range(nights):
        own = correlated(draw, origins, correlation)
        noise = np.sqrt(shared) * common[night : night + origins] + np.sqrt(1 - shared) * own
        table = pd.DataFrame({CHAMPION.label: 1.0, "new": 1.0 - gain - 0.06 * noise}, DATES[night : night + origins])
        evidence = Evidence(earlier=earlier_gains(records))
        if decide_promotion(table, ["new"], CHAMPION.label, [], PromotionSpec(), evidence).winner:
            return night + 1
        records = (RecordedGains.of_night(table, "mase", CHAMPION, [NEW]), *records)
    return None


def test_promotions(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{SEEDS} runs; promotions by luck within {NIGHTS} nights; a gain of 5 % (sd .06) found within nights")
        print("origins  correlation  shared   by luck   3 nights  14 nights  30 nights")
        for origins, correlation, shared in itertools.product((28, 112), (0.0, 0.3, 0.5), (1.0, 0.5, 0.0)):
            luck = [first_promotion(s, origins, correlation, shared, 0.0, NIGHTS) is not None for s in range(SEEDS)]
            real = [first_promotion(s, origins, correlation, shared, 0.05, NIGHTS) or NIGHTS + 1 for s in range(SEEDS)]
            found = [f"{np.mean(np.array(real) <= night):10.1%}" for night in (3, 14, 30)]
            print(f"{origins:7} {correlation:12} {shared:7} {np.mean(luck):9.1%} {' '.join(found)}", flush=True)


def by_segment(losses: np.ndarray) -> pd.Series:
    """Losses of series, (series, origins), as the gate reads them."""
    levels = [["series"], [f"s{number:04}" for number in range(len(losses))], range(losses.shape[1])]
    return pd.Series(losses.ravel(), pd.MultiIndex.from_product(levels, names=["by", "segment", "cutoff"]))


def test_segments(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nnights on which max_segment_increase (25 %) fails a challenger: equal, or worse in one series (sd .3)")
        print("series  origins  correlation   equal     +30 %     +50 %    +100 %")
        for series, origins, correlation in ((27, 28, 0.0), (27, 28, 0.5), (300, 28, 0.0), (27, 112, 0.3)):
            shares = []
            for increase, limit in ((0.0, 0.0), (0.3, 0.25), (0.5, 0.25), (1.0, 0.25)):
                draw, failed = np.random.default_rng(0), 0
                for _ in range(SEEDS):
                    gains = 0.3 * np.stack([correlated(draw, origins, correlation) for _ in range(series)])
                    gains[0] += increase
                    worst = compare_segments(by_segment(1 + gains), by_segment(np.ones_like(gains)), limit)
                    failed += worst is not None and worst.failing > 0
                shares.append(f"{failed / SEEDS:9.1%}")
            print(f"{series:6} {origins:8} {correlation:12} {' '.join(shares)}", flush=True)


def test_fallbacks(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nnights on which a baseline forecasts; one baseline, 200 nights, 50 runs")
        print("origins  correlation  gain    forecasts   switches   by lower mean")
        for origins, correlation, gain in itertools.product((28, 112), (0.0, 0.3, 0.5), (0.0, 0.1, 0.3)):
            served, switches, lower = 0, 0, 0
            for seed in range(50):
                noise = correlated(np.random.default_rng(seed), origins + 200, correlation)
                previous = ""
                for night in range(200):
                    gains = gain + 0.2 * noise[night : night + origins]
                    table = pd.DataFrame({CHAMPION.label: 1.0, "naive": 1.0 - gains})
                    fallback = choose_baseline(table, CHAMPION, (NAIVE,), previous, "mase")
                    switches += (fallback is not None) != bool(previous)
                    previous = fallback.candidate.name if fallback else ""
                    served += fallback is not None
                    lower += gains.mean() > 0
            rates = (served / 10_000, switches / 10_000, lower / 10_000)
            print(
                f"{origins:7} {correlation:12} {gain:5} {rates[0]:12.1%} {rates[1]:10.1%} {rates[2]:15.1%}", flush=True
            )
