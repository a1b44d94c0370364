"""Lengths of the parts follow the frequency, the horizon and the history."""

import pytest

from models.drift.detection import DriftWindows
from tasks.monitoring.settings import DriftSpec, drift_windows
from tests.tasks.drift_panels import view_of


@pytest.mark.parametrize(
    ("freq", "steps", "spec", "windows"),
    [
        ("h", 2000, DriftSpec(), (1344, 168, 24, 168)),
        ("15min", 9000, DriftSpec(), (5376, 672, 96, 672)),
        ("D", 400, DriftSpec(), (192, 24, 1, 7)),  # the horizon is longer than the season
        ("h", 600, DriftSpec(), (480, 120, 24, 24)),  # too short: the newest fifth, and a day as season
        ("h", 2000, DriftSpec(current=24, reference=240), (240, 24, 24, 24)),
        ("MS", 10, DriftSpec(), (8, 2, 1, 1)),
        ("h", 1, DriftSpec(), (1, 1, 1, 1)),
    ],
)
def test_lengths_follow_frequency_and_history(
    freq: str, steps: int, spec: DriftSpec, windows: tuple[int, int, int, int]
) -> None:
    assert drift_windows(view_of(freq=freq), spec, steps) == DriftWindows(*windows)
