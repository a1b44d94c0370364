"""What is found out on the validation part: the share of the linear map, and how wide intervals are."""

import numpy as np
import pytest

from models.calibration import apply_calibration, calibrate

LEVELS = (0.1, 0.5, 0.9)
DRAW = np.random.default_rng(0)
TARGET = DRAW.standard_normal((4000, 2))
LOUD = np.ones((4000, 1))


def around(median: np.ndarray, width: float) -> np.ndarray:
    return median[..., None] + np.array([-width, 0.0, width])


@pytest.mark.parametrize(("network", "linear", "share"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.6, -0.6, 0.5)])
def test_the_share_is_the_one_that_loses_least(network: float, linear: float, share: float) -> None:
    found = calibrate(around(TARGET + network, 1.0), TARGET + linear, TARGET, LOUD, LEVELS, "quantiles")
    assert found["share"].item() == pytest.approx(share, abs=0.051)
    told = apply_calibration(around(TARGET + network, 1.0), TARGET + linear, found, 1)
    np.testing.assert_allclose(told[..., 1], TARGET + (1 - share) * network + share * linear, atol=0.061)


def test_two_that_err_apart_are_mixed_and_a_louder_window_counts_more() -> None:
    wrong = np.where(np.arange(4000)[:, None] < 2000, 1.0, 0.0) * np.ones((1, 2))
    linear = 1.0 - wrong  # right where the network is wrong
    for loud, share in ((np.where(wrong[:, :1] > 0, 3.0, 1.0), 1.0), (np.where(wrong[:, :1] > 0, 1.0, 3.0), 0.0)):
        found = calibrate(around(TARGET + wrong, 1.0), TARGET + linear, TARGET, loud, LEVELS, "quantiles")
        assert found["share"].item() == share


@pytest.mark.parametrize("width", [0.8, 1.2816, 2.5])
def test_quantiles_are_drawn_out_or_in_until_they_cover_what_they_say(width: float) -> None:
    found = calibrate(around(0 * TARGET, width), None, TARGET, LOUD, LEVELS, "quantiles")
    told = apply_calibration(around(0 * TARGET, width), None, found, 1)
    assert ((told[..., 0] < TARGET).mean(), (told[..., 2] > TARGET).mean()) == pytest.approx((0.9, 0.9), abs=0.02)


def test_a_head_without_an_interval_gets_that_of_its_errors_at_each_step() -> None:
    target = TARGET * np.array([1.0, 5.0])
    found = calibrate(around(0 * TARGET, 0.0), None, target, LOUD, LEVELS, "mae")
    np.testing.assert_allclose(found["errors"], [[-1.28, 0, 1.28], [-6.41, 0, 6.41]], atol=0.35)
    assert apply_calibration(around(0 * TARGET, 0.0), None, found, 1)[0].tolist() == found["errors"].tolist()


def test_missing_targets_are_passed_over() -> None:
    holes = np.where(np.arange(4000)[:, None] % 3 == 0, np.nan, TARGET)
    found = calibrate(around(TARGET + 1.0, 1.0), TARGET, holes, LOUD, LEVELS, "mae")
    assert found["share"].item() == 1.0
    assert np.isfinite(found["errors"]).all()
