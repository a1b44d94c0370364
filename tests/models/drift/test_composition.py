"""A few series that begin or end are no drift, a panel of other categories is, and rare categories count together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.drift.composition import compare_compositions, composition_p_value
from models.drift.detection import DriftWindows

WINDOWS = DriftWindows(reference=8, current=2, block=1, season=1)


def test_p_value_is_that_of_the_contingency_table() -> None:
    newest, reference = np.array([30, 50, 20]), np.array([40, 40, 40])
    expected = stats.chi2_contingency(np.stack([newest, reference]), correction=False).pvalue
    assert composition_p_value(newest, reference) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("newest", "reference", "p_value"),
    [
        ([10, 10], [10, 10], 1.0),
        ([0, 0], [10, 10], 1.0),
        ([3, 0], [0, 3], 1.0),  # too few series
        ([20, 20, 1, 1, 1], [20, 20, 2, 1, 0], 1.0),  # rare values together
        ([50, 0], [0, 50], 1.5e-23),
    ],
)
def test_small_and_equal_compositions_are_no_drift(newest: list[int], reference: list[int], p_value: float) -> None:
    assert composition_p_value(np.array(newest), np.array(reference)) == pytest.approx(p_value, rel=0.1)


def test_series_of_one_category_that_stop_are_drift_of_that_category() -> None:
    codes = np.repeat([0, 1, 2], 40)
    observed = np.ones((120, 12), bool)
    assert [night.p_value for night in compare_compositions(codes, observed, WINDOWS)] == [1.0, 1.0, 1.0]
    observed[codes == 1, 8:] = False
    nights = compare_compositions(codes, observed, WINDOWS)
    assert [night.p_value < 0.01 for night in nights] == [True, True, True]
    assert int(nights[0].series.argmin()) == 1
    observed = np.ones((120, 12), bool)
    observed[:4, 6:] = False
    assert compare_compositions(codes, observed, WINDOWS)[0].p_value > 0.5


@pytest.mark.parametrize(
    ("nights_after", "known_until", "is_drift"),
    [(2, 0, True), (2, 8, True), (5, 0, True), (5, 11, True), (5, 12, False), (5, 99, False), (12, 0, False)],
)
def test_category_that_vanished_is_reported_until_a_champion_was_trained_without_it(
    nights_after: int, known_until: int, is_drift: bool
) -> None:
    codes, length = np.repeat([0, 1, 2], 40), 10 + nights_after
    observed = np.ones((120, length), bool)
    observed[codes == 1, 10:] = False  # from step 10 on; the newest part has two steps, the reference eight
    (newest, *_) = compare_compositions(codes, observed, WINDOWS, known_until)
    assert (newest.p_value < 0.01) is is_drift


def test_short_history_has_fewer_nights() -> None:
    assert compare_compositions(np.array([0]), np.ones((1, 2), bool), WINDOWS) == []
    assert len(compare_compositions(np.array([0]), np.ones((1, 3), bool), WINDOWS)) == 1


@settings(max_examples=50)
@given(counts=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=8))
def test_order_of_parts_and_categories_changes_nothing(counts: list[tuple[int, int]]) -> None:
    newest, reference = np.array(counts).T
    p_value = composition_p_value(newest, reference)
    assert 0 <= p_value <= 1
    assert composition_p_value(reference, newest) == pytest.approx(p_value)
    assert composition_p_value(newest[::-1], reference[::-1]) == pytest.approx(p_value)
