"""Alarms of the drift test on the labelled series of the Numenta Anomaly Benchmark, next to Evidently's default.

A night a day: the newest week is compared with the eight weeks before it. A labelled event lies in the newest week for
seven nights after it, so an alarm from its first hour to a week after its last counts as detected. Real series also
change where nothing is labelled: the other alarms are not all false.
"""

import numpy as np
import pandas as pd
import pytest

from models.drift.detection import DriftWindows, compare_columns
from tests.benchmarks.labelled_nights import labelled_windows, load_series
from tests.benchmarks.test_drift_rates import DAY, LEVEL, WEEK, evidently_alarm

pytestmark = pytest.mark.benchmark
SERIES = ("nyc_taxi", "ambient_temperature_system_failure")
WINDOWS = DriftWindows(reference=8 * WEEK, current=WEEK, block=DAY, season=WEEK)
NIGHTS, NEEDED = 3, 2  # an alarm needs two of three nights


def alarms_of(values: np.ndarray, ends: range) -> tuple[list[bool], list[bool]]:
    """Return for each night whether the drift test raises the alarm, and whether Evidently's default does."""
    below, default = [], []
    for end in ends:
        part = values[end - 9 * WEEK : end][None, :]
        below.append(compare_columns({"y": part}, WINDOWS)["y"].p_value < LEVEL)
        default.append(evidently_alarm(part))
    raised = [sum(below[max(0, night - NIGHTS + 1) : night + 1]) >= NEEDED for night in range(len(below))]
    return raised, default


@pytest.mark.parametrize("name", SERIES)
def test_labelled_events(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    y = load_series(name).set_index("ds")["y"].asfreq("h")
    ends = range(9 * WEEK, len(y), DAY)
    moments = [y.index[end - 1].tz_localize("UTC") for end in ends]
    raised = dict(zip(("nightcast", "evidently"), alarms_of(y.to_numpy(), ends), strict=True))
    events = [(start, end + pd.Timedelta("7D")) for start, end in labelled_windows(name) if end > moments[0]]
    inside = [any(start <= moment <= end for start, end in events) for moment in moments]
    with capsys.disabled():
        print(f"\n{name}: {len(events)} labelled events, {len(moments)} nights, {sum(inside)} of them near an event")
        for test, alarms in raised.items():
            hits = [
                any(alarm and start <= moment <= end for alarm, moment in zip(alarms, moments, strict=True))
                for start, end in events
            ]
            others = sum(alarm and not near for alarm, near in zip(alarms, inside, strict=True))
            quiet = len(moments) - sum(inside)
            print(f"  {test:10s} {sum(hits)} of {len(events)} events, {others} alarms in {quiet} other nights")
