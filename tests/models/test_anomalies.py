"""Anomalies in arrays: literal p-values, monotone and uniform; sizes of errors; earlier anomalies in a sample."""

import numpy as np
import pytest

from models.alarm_level import benjamini_hochberg, exact_size
from models.anomalies import (
    conformal_p_values,
    largest_errors,
    largest_relative_errors,
    limit_anomalies,
    scaled_errors,
    step_p_values,
    typical_sizes,
)

NAN = np.nan


@pytest.mark.parametrize(
    ("y", "median", "lower", "upper", "scale", "expected"),
    [
        (14.0, 10.0, 8.0, 14.0, 1.0, 1.0),  # at the upper end
        (8.0, 10.0, 8.0, 14.0, 1.0, -1.0),  # at the lower end: the interval is skewed
        (4.0, 10.0, 8.0, 14.0, 1.0, -3.0),
        (10.0, 10.0, 8.0, 14.0, 1.0, 0.0),
        (11.0, 10.0, 10.0, 10.0, 2.0, 0.5),  # without width the scale of the series counts
        (11.0, 10.0, NAN, NAN, 2.0, 0.5),
        (8.0, 10.0, NAN, 14.0, 1.0, -0.5),  # no lower quantile: the width of the other side
        (0.0, 0.0, 0.0, 2.0, 1.0, 0.0),
        (10.1, 10.0, 9.999, 10.001, 1.0, 1.0),  # a very narrow interval is at least a tenth of the scale
        (12.0, 10.0, 8.0, 14.0, NAN, 0.5),  # the series never changed, the interval has a width
        (NAN, 10.0, 8.0, 14.0, 1.0, NAN),
    ],
)
def test_error_is_scaled_by_the_interval_on_its_side(
    y: float, median: float, lower: float, upper: float, scale: float, expected: float
) -> None:
    scaled = scaled_errors(*(np.array([value]) for value in (y, median, lower, upper, scale)))
    assert scaled.tolist() == pytest.approx([expected], nan_ok=True)


def test_change_of_a_constant_series_is_large_and_finite() -> None:
    scaled = scaled_errors(np.array([5.1]), np.array([5.0]), np.array([5.0]), np.array([5.0]), np.array([NAN]))
    assert 1e6 < scaled[0] < np.inf


@pytest.mark.parametrize(
    ("scaled", "expected"),
    [(3.5, 1 / 5), (-3.5, 1 / 5), (3.0, 2 / 5), (2.5, 3 / 5), (0.0, 1.0), (NAN, NAN)],
)
def test_p_value_is_the_share_that_is_as_far_from_zero(scaled: float, expected: float) -> None:
    sample = np.array([1.0, -2.5, 3.0, 0.5, NAN])
    assert conformal_p_values(scaled, sample).item() == pytest.approx(expected, nan_ok=True)


def test_p_value_without_a_sample_is_one() -> None:
    assert conformal_p_values(np.array([9.0]), np.array([])).tolist() == [1.0]


def test_p_value_falls_with_the_distance() -> None:
    draw = np.random.default_rng(0)
    sample, distances = draw.standard_t(3, 500), np.sort(np.abs(draw.standard_t(2, 300)))
    for sign in (1, -1):
        p_values = conformal_p_values(sign * distances, sample)
        assert (np.diff(p_values) <= 0).all()
        assert p_values.min() >= 1 / 501


@pytest.mark.parametrize("level", [0.02, 0.05, 0.1, 0.3, 0.7])
def test_p_values_of_exchangeable_errors_are_uniform(level: float) -> None:
    draw = np.random.default_rng(1)
    values = draw.standard_t(3, (5_000, 100))  # 99 of a sample, and one that is new
    p_values = np.array([conformal_p_values(row[0], row[1:]).item() for row in values])
    assert (p_values <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 5_000))


def test_typical_size_of_a_step_with_few_errors_is_near_that_of_all_steps() -> None:
    errors = np.full((400, 2), NAN)
    errors[:, 0] = np.where(np.arange(400) % 2, 1.0, -1.0)
    errors[0, 1] = 7.0
    sizes = typical_sizes(errors)
    assert sizes[0] == pytest.approx(1.0, abs=0.01)
    assert sizes[1] == pytest.approx((7 + 100 * 407 / 401) / 101)
    assert typical_sizes(np.zeros((5, 3))).tolist() == [1.0, 1.0, 1.0]


def test_step_with_many_errors_has_its_own_sample_and_others_are_pooled() -> None:
    errors = np.full((99, 2), NAN)
    errors[:, 0] = np.arange(1, 100)
    assert step_p_values(np.array([98.5]), np.array([1]), errors).tolist() == [2 / 100]
    errors[98, 0] = NAN  # 98 errors of the first step, and as many of the second, which are twice as large
    errors[:98, 1] = 2 * np.arange(1, 99)
    sizes = typical_sizes(errors)
    pooled = (errors / sizes)[np.isfinite(errors)]
    expected = (1 + (pooled >= 196 / sizes[1]).sum()) / (1 + 196)
    assert step_p_values(np.array([196.0]), np.array([2]), errors).tolist() == [expected]


def test_largest_errors_are_of_the_same_steps_or_of_as_many() -> None:
    errors = np.array([[1.0, 5.0, 2.0], [4.0, NAN, 3.0], [NAN, NAN, 9.0], [NAN, 1.0, 8.0]])
    assert largest_errors(errors, np.array([1, 3])).tolist() == pytest.approx([2.0, 4.0, NAN, 8.0], nan_ok=True)
    assert largest_errors(np.zeros((0, 3)), np.array([1, 3])).tolist() == []


def test_earlier_anomaly_is_limited_and_does_not_vanish() -> None:
    errors = np.array([[1.0, -2.0], [50.0, 0.5], [-2.4, NAN]])
    marks = np.array([[False, False], [True, False], [True, True]])
    assert limit_anomalies(errors, marks).tolist() == pytest.approx([3.0, -2.4, NAN], nan_ok=True)
    assert limit_anomalies(errors, np.zeros_like(marks)).tolist() == []
    all_marked = limit_anomalies(errors, np.ones_like(marks))  # nothing to measure them by
    assert all_marked.tolist() == pytest.approx([1.0, -2.0, 50.0, 0.5, -2.4, NAN], nan_ok=True)


def test_sizes_of_two_samples_are_those_of_both_together() -> None:
    both = np.array([[1.0, NAN], [3.0, 2.0], [5.0, -6.0]])
    np.testing.assert_allclose(typical_sizes(both[:1], both[1:]), typical_sizes(both), rtol=1e-15)


def test_largest_errors_in_typical_sizes_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, steps = np.array([[-4.0, 3.0], [1.0, -9.0], [NAN, 6.0]]), np.array([1, 2])
    whole = largest_relative_errors(errors, np.array([2.0, 3.0]), steps)
    monkeypatch.setattr("models.anomalies.BLOCK_UNITS", 1)
    np.testing.assert_array_equal(largest_relative_errors(errors, np.array([2.0, 3.0]), steps), whole)
    np.testing.assert_array_equal(whole, [2.0, 3.0, NAN])
    assert largest_relative_errors(errors[:0], np.array([2.0, 3.0]), steps).tolist() == []


def test_equal_errors_are_equal_in_single_precision() -> None:
    errors = np.full((99, 1), 1 / 3)
    assert step_p_values(np.array([1 / 3]), np.array([1]), errors.astype(np.float32)).tolist() == [1.0]


@pytest.mark.parametrize(("keep_full_size", "limited"), [(True, False), (False, True)])
def test_limited_anomaly_does_not_hide_the_next(keep_full_size: bool, limited: bool) -> None:
    sample = np.append(np.random.default_rng(4).normal(size=99), 80.0)
    marks = np.arange(100) == 99
    if not keep_full_size:
        sample[marks] = limit_anomalies(sample, marks)
    p_value = conformal_p_values(20.0, sample).item()
    assert (p_value < 1.5 / 101) == limited


def test_without_anomalies_of_earlier_nights_false_alarms_would_grow() -> None:
    """Why earlier anomalies stay in the sample: left out, a rate of 0.05 becomes more than 0.1 within 300 nights."""
    rates = {}
    for policy in ("limited", "left out"):
        draw = np.random.default_rng(5)
        past, marks, alarms = list(np.abs(draw.normal(size=28)) + 3), [False] * 28, 0
        for _ in range(600):
            errors, anomalous = np.array(past[-28:])[::-1], np.array(marks[-28:])[::-1]
            if policy == "limited":
                errors[anomalous] = limit_anomalies(errors, anomalous)
            sample = errors if policy == "limited" else errors[~anomalous]
            new = abs(draw.normal()) + 3
            chosen, _ = benjamini_hochberg(
                conformal_p_values(np.array([new]), sample[: exact_size(len(sample), 1, 0.05)]), 0.05
            )
            past.append(new)
            marks.append(bool(chosen[0]))
            alarms += bool(chosen[0])
        rates[policy] = alarms / 600
    assert rates["limited"] == pytest.approx(0.05, abs=0.025)
    assert rates["left out"] > 0.1
