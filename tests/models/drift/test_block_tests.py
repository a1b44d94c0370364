"""Means of blocks with gaps, scores with a season, variances that are shrunk as far as they are alike."""

import numpy as np
import pytest

from models.drift.block_tests import block_means, compare_newest, moderate_variances, signals
from models.drift.scores import SeasonalScores, seasonal_scores

NAN = float("nan")


def test_block_needs_half_of_its_values() -> None:
    values = np.array([[9.0, 1.0, 3.0, NAN, 5.0, NAN, NAN]])
    assert block_means(values, 2) == pytest.approx(np.array([[2.0, 5.0, NAN]]), nan_ok=True)


def test_residual_of_the_reference_leaves_its_own_season_out() -> None:
    values = np.array([[1.0, 10.0, 3.0, 10.0, 5.0, 10.0, 9.0, 12.0]])
    seasonal = seasonal_scores(values, reference=6, season=2)
    assert seasonal.profile[0].tolist() == [4.0, 10.0, 3.0, 10.0, 2.0, 10.0, 4.0, 10.0]
    # residuals -3 0 0 0 3 0 of the reference, 5 and 2 of the newest season: beyond and inside their range
    scores = seasonal.scores[0]
    assert scores[:6] == pytest.approx([-1.3829941, 0, 0, 0, 1.3829941, 0], abs=1e-6)
    assert scores[6] == pytest.approx(1.3829941 + 2 / np.sqrt(3), abs=1e-6)
    assert scores[7] == pytest.approx(0.9674216, abs=1e-6)


def test_gap_has_no_score_and_a_constant_has_none_but_zero() -> None:
    values = np.array([[1.0, NAN, 1.0, 1.0, 1.0, 1.0], [NAN] * 6])
    seasonal = seasonal_scores(values, reference=4, season=1)
    assert seasonal.scores[0] == pytest.approx(np.array([0, NAN, 0, 0, 0, 0]), nan_ok=True)
    assert np.isnan(seasonal.scores[1]).all()


def test_shape_is_the_score_times_the_mean_profile_of_the_blocks() -> None:
    profile = np.array([[1.0, 3.0, 5.0, 3.0]])  # two blocks of two: rising and falling, on the mean flat
    flat = signals(SeasonalScores(np.ones((1, 4)), profile), block=2, season=4)
    assert flat["shape"].tolist() == [[0.0, 0.0, 0.0, 0.0]]
    rising = signals(SeasonalScores(np.array([[1.0, 2.0, -1.0, 1.0]]), np.array([[1.0, 3.0, 2.0, 4.0]])), 2, 4)
    assert rising["shape"].tolist() == [[-1.0, 2.0, 1.0, 1.0]]
    assert rising["spread"].tolist() == [[1.0, 2.0, 1.0, 1.0]]


def test_p_value_of_a_change_by_hand() -> None:
    reference = [0.0, 2.0] * 8  # 16 windows of one block, mean 1, variance 1
    values = np.array([[*reference, 4.0]])
    # variance 17 / 15, ratio 3 / sqrt(17 / 15) = 2.818, 8 degrees of freedom
    assert compare_newest(values, "level", reference=16, block=1, window=1)[0] == pytest.approx(0.02255, abs=1e-4)
    assert compare_newest(np.array([[*[1.0] * 16, 1.0]]), "level", 16, 1, 1)[0] == 1.0
    assert compare_newest(np.array([[*[1.0] * 16, 1.1]]), "level", 16, 1, 1)[0] == 0.0
    assert compare_newest(np.array([[0.0, 1.0, 0.0, 9.0]]), "level", 3, 1, 1)[0] == 1.0  # too short
    assert compare_newest(np.array([[*reference, NAN]]), "level", 16, 1, 1)[0] == 1.0


def test_variances_that_are_alike_share_their_degrees_of_freedom() -> None:
    draw = np.random.default_rng(1)
    alike = draw.chisquare(8, 500) / 8
    shrunk, degrees = moderate_variances(alike, np.full(500, 8.0))
    assert degrees[0] == pytest.approx(38.0)
    assert shrunk.std() < 0.4 * alike.std()
    differing = alike * np.exp(2 * draw.normal(size=500))
    kept, few = moderate_variances(differing, np.full(500, 8.0))
    assert few[0] < 9.5
    assert np.corrcoef(np.log(kept), np.log(differing))[0, 1] > 0.99
    assert moderate_variances(np.ones(3), np.ones(3))[1].tolist() == [1.0, 1.0, 1.0]
