"""Calibration on the validation part: shares of simple forecasts in the median, and the width of intervals."""

import numpy as np
import pytest

from models.calibration.calibrate import apply_calibration, calibrate
from models.calibration.inputs import CalibrationSpec, SimpleForecasts
from models.calibration.shares import seasonal_evidence

LEVELS = (0.1, 0.5, 0.9)
DRAW = np.random.default_rng(0)
TARGET = DRAW.standard_normal((4000, 2))
WEIGHTS = np.ones((4000, 1))


def simple(linear: np.ndarray, last: float = 100.0) -> SimpleForecasts:
    return SimpleForecasts(linear, np.full((4000, 1), last))


def around(median: np.ndarray, width: float) -> np.ndarray:
    return median[..., None] + np.array([-width, 0.0, width])


@pytest.mark.parametrize(("network", "linear", "share"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.6, -0.6, 0.5)])
def test_share_minimises_the_loss(network: float, linear: float, share: float) -> None:
    others = simple(TARGET + linear)
    fitted = calibrate(around(TARGET + network, 1.0), others, TARGET, WEIGHTS, CalibrationSpec(LEVELS, "quantiles"))
    assert fitted["share"].item() == pytest.approx(share, abs=0.051)
    assert fitted["share.last"].item() == 0
    calibrated = apply_calibration(around(TARGET + network, 1.0), others, fitted, 1)
    np.testing.assert_allclose(calibrated[..., 1], TARGET + (1 - share) * network + share * linear, atol=0.061)


def test_windows_with_more_weight_decide_the_share() -> None:
    wrong = np.where(np.arange(4000)[:, None] < 2000, 1.0, 0.0) * np.ones((1, 2))
    linear = 1.0 - wrong  # right where the network is wrong
    for weights, share in ((np.where(wrong[:, :1] > 0, 3.0, 1.0), 1.0), (np.where(wrong[:, :1] > 0, 1.0, 3.0), 0.0)):
        fitted = calibrate(
            around(TARGET + wrong, 1.0), simple(TARGET + linear), TARGET, weights, CalibrationSpec(LEVELS, "quantiles")
        )
        assert fitted["share"].item() == share


@pytest.mark.parametrize("width", [0.8, 1.2816, 2.5])
def test_spread_makes_quantiles_cover_their_levels(width: float) -> None:
    fitted = calibrate(around(0 * TARGET, width), None, TARGET, WEIGHTS, CalibrationSpec(LEVELS, "quantiles"))
    calibrated = apply_calibration(around(0 * TARGET, width), None, fitted, 1)
    above, below = (calibrated[..., 0] < TARGET).mean(), (calibrated[..., 2] > TARGET).mean()
    assert (above, below) == pytest.approx((0.9, 0.9), abs=0.02)


def test_spread_is_closer_to_1_the_less_time_is_covered() -> None:
    for times, factor, tolerance in ((None, 1.6487, 0.05), (19 * TIMES, 1.2840, 0.03), (0 * TIMES, 1.0241, 0.003)):
        fitted = calibrate(
            around(0 * TARGET, 1.2816 / 1.6487), None, TARGET, WEIGHTS, CalibrationSpec(LEVELS, "quantiles", times)
        )
        assert fitted["spread"] == pytest.approx([factor, 1.0, factor], rel=tolerance)


def test_point_head_gets_error_quantiles_for_each_step() -> None:
    target = TARGET * np.array([1.0, 5.0])
    fitted = calibrate(around(0 * TARGET, 0.0), None, target, WEIGHTS, CalibrationSpec(LEVELS, "mae"))
    np.testing.assert_allclose(fitted["errors"], [[-1.28, 0, 1.28], [-6.41, 0, 6.41]], atol=0.35)
    assert apply_calibration(around(0 * TARGET, 0.0), None, fitted, 1)[0].tolist() == fitted["errors"].tolist()


def test_missing_targets_are_ignored() -> None:
    gaps = np.where(np.arange(4000)[:, None] % 3 == 0, np.nan, TARGET)
    fitted = calibrate(around(TARGET + 1.0, 1.0), simple(TARGET), gaps, WEIGHTS, CalibrationSpec(LEVELS, "mae"))
    assert fitted["share"].item() == 1.0
    assert np.isfinite(fitted["errors"]).all()


def test_last_value_has_a_share_if_its_errors_are_small() -> None:
    target = np.where(np.arange(4000)[:, None] % 2 == 0, 1.0, -1.0) * np.ones((1, 2))
    others = SimpleForecasts(target + 50.0, target[:, :1] - 3.0)
    fitted = calibrate(around(target + 2.0, 1.0), others, target, WEIGHTS, CalibrationSpec(LEVELS, "mse"))
    assert (fitted["share"].item(), fitted["share.last"].item()) == (0.0, 0.4)
    calibrated = apply_calibration(around(target + 2.0, 1.0), others, fitted, 1)
    np.testing.assert_allclose(calibrated[..., 1], target)


SIGNS = np.where(np.arange(4000)[:, None] % 2 == 0, 1.0, -1.0) * np.ones((1, 2))
TIMES = np.arange(4000) / 4000


@pytest.mark.parametrize(
    ("times", "shares"), [(None, (0.0, 0.4)), (4 * TIMES, (0.25, 0.2)), (0 * TIMES, (5 / 12, 1 / 15))]
)
def test_shares_are_closer_to_equal_ones_of_network_and_map_the_less_time_is_covered(
    times: np.ndarray | None, shares: tuple[float, float]
) -> None:
    others = SimpleForecasts(SIGNS + 5.0, SIGNS[:, :1] - 3.0)
    fitted = calibrate(around(SIGNS + 2.0, 1.0), others, SIGNS, WEIGHTS, CalibrationSpec(LEVELS, "mae", times))
    assert (fitted["share"].item(), fitted["share.last"].item()) == pytest.approx(shares, abs=1e-3)


def shares_of(network: np.ndarray, others: SimpleForecasts, times: np.ndarray | None) -> list[float]:
    fitted = calibrate(around(network, 1.0), others, 0 * TARGET, WEIGHTS, CalibrationSpec(LEVELS, "mae", times))
    return [fitted[name].item() for name in ("share", "share.last", "share.seasonal")]


def test_seasonal_median_has_a_share_if_its_errors_are_small() -> None:
    others = SimpleForecasts(SIGNS * 0 + 50.0, np.full((4000, 1), 50.0), np.full((4000, 2), -3.0))
    assert shares_of(0 * SIGNS + 2.0, others, None) == pytest.approx([0.0, 0.0, 0.4])
    assert shares_of(0 * SIGNS + 2.0, others, 3 * TIMES)[2] == 0  # four horizons decide, three do not


def test_seasonal_median_has_no_share_if_it_helps_in_one_of_ten_horizons() -> None:
    helps = np.where(TIMES[:, None] < 0.1, -30.0, 2.0) * np.ones((1, 2))
    others = SimpleForecasts(0 * SIGNS, np.full((4000, 1), 50.0), helps)
    assert shares_of(np.where(TIMES[:, None] < 0.1, 30.0, 0.0) * np.ones((1, 2)), others, 9.99 * TIMES)[2] == 0


def test_seasonal_median_that_helps_on_the_training_part_needs_no_evidence_of_validation() -> None:
    others = SimpleForecasts(SIGNS * 0 + 2.0, np.full((4000, 1), 50.0), np.full((4000, 2), -3.0))
    for seasonal, share in ((0.0, 0.0), (0.5, 0.075), (1.0, 0.15)):
        spec = CalibrationSpec(LEVELS, "mae", 2 * TIMES, seasonal)
        fitted = calibrate(around(0 * SIGNS + 2.0, 1.0), others, 0 * TARGET, WEIGHTS, spec)
        assert fitted["share.seasonal"].item() == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize(
    ("gains", "evidence"),
    [([1.0] * 10, 1.0), ([0.0] * 10, 0.0), ([1.0] * 3, 0.0), ([-1.0] * 10, 0.0), ([1.0, -0.5] * 5, 0.054)],
)
def test_evidence_of_training_is_all_of_it_from_two_standard_errors_on(gains: list[float], evidence: float) -> None:
    errors = np.stack([np.full((10 * len(gains), 2), 2.0), np.repeat(gains, 10)[:, None] * np.ones(2)])
    assert seasonal_evidence(errors, np.arange(10 * len(gains)) / 10, "mae") == pytest.approx(evidence, abs=0.001)


def test_training_windows_without_a_target_are_no_evidence() -> None:
    assert seasonal_evidence(np.full((2, 100, 2), np.nan), np.arange(100.0), "mae") == 0


def test_last_value_is_the_forecast_unless_the_gain_of_another_is_significant() -> None:
    noise = np.where(np.floor(9.99 * TIMES)[:, None] % 2 == 0, 1.0, 2.9) * np.ones((1, 2))
    last = np.full((4000, 1), 2.0)
    assert shares_of(noise, SimpleForecasts(noise, last), 9.99 * TIMES) == [0.0, 1.0, 0.0]
    assert shares_of(0.5 * noise, SimpleForecasts(0.5 * noise, last), 9.99 * TIMES)[1] == 0


def test_seasonal_median_is_blended_in() -> None:
    stored = {name: np.array([0.25]) for name in ("share", "share.last", "share.seasonal")}
    stored |= {"spread": np.ones(3), "errors": np.zeros((2, 3))}
    others = SimpleForecasts(0 * TARGET + 4.0, 0 * TARGET[:, :1] + 8.0, 0 * TARGET + 12.0)
    calibrated = apply_calibration(around(0 * TARGET, 1.0), others, stored, 1)
    assert calibrated[0].tolist() == [[5.0, 6.0, 7.0], [5.0, 6.0, 7.0]]


def test_forecasts_of_batches_are_joined() -> None:
    parts = [SimpleForecasts(np.full((1, 2), n), np.full((1, 1), n), np.full((1, 2), -n)) for n in (1.0, 2.0)]
    joined = SimpleForecasts.join(parts)
    assert joined.linear.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert joined.seasonal is not None
    assert joined.seasonal.tolist() == [[-1.0, -1.0], [-2.0, -2.0]]
    assert SimpleForecasts.join([part._replace(seasonal=None) for part in parts]).seasonal is None


def test_bundle_without_a_share_of_the_last_value_is_blended_with_the_linear_map_alone() -> None:
    stored = {"share": np.array([0.25]), "spread": np.ones(3), "errors": np.zeros((2, 3))}
    calibrated = apply_calibration(around(0 * TARGET, 1.0), simple(0 * TARGET + 4.0), stored, 1)
    assert calibrated[0].tolist() == [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
