"""Factors are drawn toward 1 by 20 horizons, at most by two standard errors, and not after a jump."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.error_spread import spread_error
from models.factor_shrinkage import FactorEvidence, shrink, weigh_errors


def nights(count: int, series: int = 1) -> np.ndarray:
    """Spread (K, S) that alternates between 1 and e, which MIN_SPREAD changes little."""
    return np.exp(np.arange(count) % 2.0)[:, None].repeat(series, axis=1) - 0.1


def known(count: int, series: int = 1, steps: int = 24) -> np.ndarray:
    return np.ones((count, series, steps), dtype=bool)


def weigh(is_known: np.ndarray, spread: np.ndarray, jumps: list[bool], **others: float) -> FactorEvidence:
    """Evidence of series whose own intervals have a width."""
    return weigh_errors(is_known, spread, np.array(jumps, dtype=bool), np.ones(len(jumps), dtype=bool), **others)


def test_half_of_a_factor_is_its_root() -> None:
    evidence = FactorEvidence(np.array([0.5, 0.5]), 0.5, np.array([np.inf, np.inf]))
    assert shrink(np.array([[4.0, 1.0, 0.25], [9.0, 1.0, 1.0]]), evidence) == pytest.approx(
        np.array([[2.0, 1.0, 0.5], [3.0, 1.0, 1.0]])
    )


def test_factor_is_drawn_by_its_shift_at_most() -> None:
    evidence = FactorEvidence(np.array([0.5]), 0.5, np.array([np.log(1.25)]))
    assert shrink(np.array([[10.0, 0.1, 1.21]]), evidence) == pytest.approx(np.array([[8.0, 0.125, 1.1]]))


@pytest.mark.parametrize(
    ("count", "spacing", "share"), [(20, 1.0, 0.5), (60, 1.0, 0.75), (60, 2.0, 0.75), (40, 0.5, 0.5)]
)
def test_share_that_is_kept_grows_with_the_horizons(count: int, spacing: float, share: float) -> None:
    evidence = weigh(known(count), nights(count), [False], spacing=spacing)
    assert (evidence.by_series.tolist(), evidence.by_step) == ([share], share)


def test_shift_is_two_standard_errors_of_the_log_spread() -> None:
    spread = nights(100)
    assert spread_error(spread) == pytest.approx([0.05])  # deviation 1/2 of 100 nights
    assert weigh(known(100), spread, [False]).shift == pytest.approx([0.1])
    assert weigh(known(100), spread, [False], spacing=0.64).shift == pytest.approx([0.125])


@pytest.mark.parametrize(("count", "spacing", "is_limited"), [(14, 1.0, True), (13, 1.0, False), (52, 0.25, False)])
def test_few_horizons_give_no_limit(count: int, spacing: float, is_limited: bool) -> None:
    evidence = weigh(known(count), nights(count), [False], spacing=spacing)
    assert np.isfinite(evidence.shift).tolist() == [is_limited]


@pytest.mark.parametrize(("spacing", "kept"), [(1.0, 1.0), (0.5, 1.0), (0.25, 0.5), (0.01, 0.02)])
def test_factor_is_kept_after_a_jump_unless_horizons_overlap(spacing: float, kept: float) -> None:
    calm, jumped = weigh(known(40, 2), nights(40, 2), [False, True], spacing=spacing).by_series
    assert calm == pytest.approx(40 * spacing / (40 * spacing + 20))
    assert jumped == pytest.approx(max(calm, kept))


def test_series_with_few_errors_is_drawn_like_all() -> None:
    is_known = known(60, 3)
    is_known[:-1, 2] = False  # one night
    evidence = weigh(is_known, nights(60, 3), [False, False, True])
    assert evidence.by_series.tolist() == [0.75, 0.75, 0.75]
    assert evidence.by_step == 0.75


def test_factor_is_kept_where_own_intervals_have_no_width() -> None:
    has_width = np.array([True, False])
    evidence = weigh_errors(known(10, 2), nights(10, 2), np.array([False, False]), has_width, spacing=0.1)
    assert evidence.by_series.tolist() == [pytest.approx(1 / 21), 1.0]


@pytest.mark.parametrize(("jumps", "kept"), [(1, 0.75), (2, 1.0)])
def test_common_factor_is_kept_if_most_series_have_jumped(jumps: int, kept: float) -> None:
    has_jumped = [number < jumps for number in range(3)]
    assert weigh(known(60, 3), nights(60, 3), has_jumped, is_pooled=True).by_series.tolist() == [kept] * 3


@pytest.mark.parametrize(("count", "series"), [(0, 3), (5, 0)])
def test_nothing_known_keeps_no_factor(count: int, series: int) -> None:
    evidence = weigh(known(count, series), nights(count, series), [False] * series)
    assert evidence.by_series.tolist() == [0.0] * (series if not count else 0)


@settings(max_examples=50)
@given(st.floats(0.05, 20), st.floats(0, 1), st.floats(0, 5))
def test_factor_never_crosses_1_nor_grows(factor: float, share: float, shift: float) -> None:
    (drawn,) = shrink(np.array([[factor]]), FactorEvidence(np.array([share]), share, np.array([shift])))[0]
    assert abs(np.log(drawn)) <= abs(np.log(factor)) + 1e-12
    assert np.log(drawn) * np.log(factor) >= -1e-12
