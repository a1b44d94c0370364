"""`make bench`: false alarms on clean nights, and labelled events of two public series.

Seconds: minutes for the simulation, and minutes for four trainings and two thousand nights of the labelled series.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.clean_nights import NIGHTS_IN_SAMPLE, roll_nights, simulate_errors
from tests.benchmarks.labelled_nights import TRAINED, detect, forecast_nights

pytestmark = pytest.mark.benchmark

NIGHTS, SEEDS = 200, (0, 1, 2)
RATES = (0.05, 0.1)


@pytest.mark.parametrize("common", [0.0, 0.3])
def test_share_of_clean_nights_with_an_alarm_is_the_rate(common: float, capsys: pytest.CaptureFixture[str]) -> None:
    """20 series and 24 hours a night; within a fifth of the rate, besides the binomial error of so few nights."""
    lines, shares = [], {}
    for rate in RATES:
        alarms = [
            compared.table["is_anomaly"].any()
            for seed in SEEDS
            for compared in roll_nights(simulate_errors(NIGHTS + NIGHTS_IN_SAMPLE, seed, common), rate)
        ]
        shares[rate] = float(np.mean(alarms))
        error = np.sqrt(rate * (1 - rate) / len(alarms))
        lines.append(
            f"rate {rate}: {sum(alarms)} of {len(alarms)} clean nights with an alarm = {shares[rate]:.4f} "
            f"({shares[rate] / rate - 1:+.0%} of the rate, binomial error {error:.4f})"
        )
    with capsys.disabled():
        print(f"\nclean nights, {common:.0%} of the variance common to all series\n" + "\n".join(lines))
    for rate, share in shares.items():
        assert abs(share - rate) <= 0.2 * rate + np.sqrt(rate * (1 - rate) / len(SEEDS) / NIGHTS)


@pytest.mark.parametrize("name", TRAINED)
def test_labelled_events(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for model, errors in forecast_nights(name, tmp_path).items():
        for nights in (NIGHTS_IN_SAMPLE, 59):
            for rate in RATES:
                result = detect(name, errors, nights, rate)
                lines.append(f"{model:6} {nights} earlier nights, rate {rate:4}: {result}")
    with capsys.disabled():
        print(f"\n{name}\n" + "\n".join(lines))
