"""Calibration on the validation part: the share of the linear map, and the width of intervals."""

import numpy as np
import pytest

from models.calibration import CalibrationSpec, apply_calibration, calibrate

LEVELS = (0.1, 0.5, 0.9)
DRAW = np.random.default_rng(0)
TARGET = DRAW.standard_normal((4000, 2))
WEIGHTS = np.ones((4000, 1))


def around(median: np.ndarray, width: float) -> np.ndarray:
    return median[..., None] + np.array([-width, 0.0, width])


@pytest.mark.parametrize(("network", "linear", "share"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.6, -0.6, 0.5)])
def test_share_minimises_the_loss(network: float, linear: float, share: float) -> None:
    fitted = calibrate(
        around(TARGET + network, 1.0), TARGET + linear, TARGET, WEIGHTS, CalibrationSpec(LEVELS, "quantiles")
    )
    assert fitted["share"].item() == pytest.approx(share, abs=0.051)
    calibrated = apply_calibration(around(TARGET + network, 1.0), TARGET + linear, fitted, 1)
    np.testing.assert_allclose(calibrated[..., 1], TARGET + (1 - share) * network + share * linear, atol=0.061)


def test_windows_with_more_weight_decide_the_share() -> None:
    wrong = np.where(np.arange(4000)[:, None] < 2000, 1.0, 0.0) * np.ones((1, 2))
    linear = 1.0 - wrong  # right where the network is wrong
    for weights, share in ((np.where(wrong[:, :1] > 0, 3.0, 1.0), 1.0), (np.where(wrong[:, :1] > 0, 1.0, 3.0), 0.0)):
        fitted = calibrate(
            around(TARGET + wrong, 1.0), TARGET + linear, TARGET, weights, CalibrationSpec(LEVELS, "quantiles")
        )
        assert fitted["share"].item() == share


@pytest.mark.parametrize("width", [0.8, 1.2816, 2.5])
def test_spread_makes_quantiles_cover_their_levels(width: float) -> None:
    fitted = calibrate(around(0 * TARGET, width), None, TARGET, WEIGHTS, CalibrationSpec(LEVELS, "quantiles"))
    calibrated = apply_calibration(around(0 * TARGET, width), None, fitted, 1)
    above, below = (calibrated[..., 0] < TARGET).mean(), (calibrated[..., 2] > TARGET).mean()
    assert (above, below) == pytest.approx((0.9, 0.9), abs=0.02)


def test_point_head_gets_error_quantiles_for_each_step() -> None:
    target = TARGET * np.array([1.0, 5.0])
    fitted = calibrate(around(0 * TARGET, 0.0), None, target, WEIGHTS, CalibrationSpec(LEVELS, "mae"))
    np.testing.assert_allclose(fitted["errors"], [[-1.28, 0, 1.28], [-6.41, 0, 6.41]], atol=0.35)
    assert apply_calibration(around(0 * TARGET, 0.0), None, fitted, 1)[0].tolist() == fitted["errors"].tolist()


def test_missing_targets_are_ignored() -> None:
    gaps = np.where(np.arange(4000)[:, None] % 3 == 0, np.nan, TARGET)
    fitted = calibrate(around(TARGET + 1.0, 1.0), TARGET, gaps, WEIGHTS, CalibrationSpec(LEVELS, "mae"))
    assert fitted["share"].item() == 1.0
    assert np.isfinite(fitted["errors"]).all()


@pytest.mark.parametrize(("horizons", "share"), [(np.inf, 1.0), (5.0, 0.75), (0.0, 0.5)])
def test_share_is_closer_to_one_half_the_less_time_is_covered(horizons: float, share: float) -> None:
    spec = CalibrationSpec(LEVELS, "mae", horizons)
    fitted = calibrate(around(TARGET + 1.0, 1.0), TARGET, TARGET, WEIGHTS, spec)
    assert fitted["share"] == pytest.approx([share])
