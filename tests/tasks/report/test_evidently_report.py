"""Evidently's report: windows of whole seasons, scaled series, thresholds from earlier seasons."""

import numpy as np
import pandas as pd
import pytest

from tasks.report.evidently_report import (
    MIN_THRESHOLD,
    drift_thresholds,
    scale_by_series,
    split_windows,
    wasserstein_in_deviations,
)
from tests.tasks.drift_panels import CUTOFF, clean, noise, view_of

WEEK, EIGHT_WEEKS = 168, 8 * 168


def test_newest_week_is_compared_with_the_eight_weeks_before() -> None:
    history = scale_by_series(clean(), CUTOFF, view_of())
    current, reference = split_windows(history, WEEK, EIGHT_WEEKS)
    assert (len(current), len(reference)) == (2 * 168, 2 * 8 * 168)
    assert (current.index.min(), current.index.max()) == (0, 167)
    assert (reference.index.min(), reference.index.max()) == (168, 9 * 168 - 1)


def test_windows_move_back_by_whole_weeks() -> None:
    history = scale_by_series(clean(), CUTOFF, view_of())
    current, reference = split_windows(history, WEEK, EIGHT_WEEKS, back=1)
    assert (current.index.min(), current.index.max()) == (168, 335)
    assert reference.index.min() == 336


def test_window_lengths_can_be_given_in_steps() -> None:
    history = scale_by_series(clean(), CUTOFF, view_of())
    current, reference = split_windows(history, 24, 48)
    assert (len(current), len(reference)) == (48, 96)


def test_short_history_is_split_into_newest_fifth_and_rest() -> None:
    history = scale_by_series(clean(days=10), CUTOFF, view_of())
    current, reference = split_windows(history, WEEK, EIGHT_WEEKS)
    assert (len(current), len(reference)) == (2 * 48, 2 * 192)


def test_series_are_scaled_and_rows_after_the_cutoff_are_ignored() -> None:
    frame = clean()
    history = scale_by_series(frame, CUTOFF - pd.Timedelta(hours=5), view_of())
    assert len(history) == len(frame) - 10
    assert history["y"].mean() == pytest.approx(0.0, abs=1e-9)
    assert history["y"].std() == pytest.approx(1.0, abs=1e-3)


def test_distance_is_in_standard_deviations_of_the_reference() -> None:
    reference = pd.Series([0.0, 2.0])
    assert wasserstein_in_deviations(pd.Series([1.0, 3.0]), reference) == pytest.approx(1.0)
    assert np.isnan(wasserstein_in_deviations(pd.Series([np.nan]), reference))
    assert wasserstein_in_deviations(pd.Series([1.0]), pd.Series([1.0])) == 0.0


def test_threshold_is_the_largest_distance_of_earlier_weeks() -> None:
    swings = np.repeat([0.0, 3.0] * 8, 168)[-70 * 24 :]
    frame = clean(weather=lambda draw, count: np.resize(swings, count) + draw.normal(0, 0.1, count), calm=noise)
    view = view_of("weather", "calm")
    thresholds = drift_thresholds(scale_by_series(frame, CUTOFF, view), WEEK, EIGHT_WEEKS)
    assert thresholds["weather"] > 0.5
    assert MIN_THRESHOLD <= thresholds["calm"] < 0.3
