"""Part of `make bench-accuracy`: the linear baseline alone, on ETTh1 and on rolling origins; a minute or two.

Beside it, one ridge regression of the lookback, and its fit in seconds of the processor.
"""

import time

import pytest

from models.baselines.ridge import fit_linear
from tests.benchmarks.long_horizon import HORIZONS, build_index, etth1, linear_score, naive_score, single_map_score
from tests.benchmarks.rolling_origins import DATA, RollingOrigins

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("lookback", [720, 1440])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_linear_baseline_on_etth1(lookback: int, horizon: int, capsys) -> None:
    panel, started = etth1(lookback, horizon), time.process_time()
    fit_linear(panel, build_index(panel, lookback, horizon), panel.view)
    seconds = time.process_time() - started
    with capsys.disabled():
        print(
            f"\nETTh1 lookback {lookback} horizon {horizon} MSE/MAE: linear {linear_score(horizon, lookback)}"
            f" | one ridge regression {single_map_score(horizon, lookback)} | seasonal naive {naive_score(horizon)}"
            f" | {seconds:.0f} s to fit"
        )


@pytest.mark.parametrize("name", DATA)
def test_linear_baseline_vs_others(name: str, tmp_path, capsys) -> None:
    origins = RollingOrigins(DATA[name](tmp_path), tmp_path)
    scores = origins.scores({bundle.name: bundle for bundle in origins.baselines()})
    with capsys.disabled():
        table = scores[["mase", "wql", "mae", "coverage"]].sort_values("mase").round(4)
        print(f"\n{name}, rolling origins of the test part\n{table.to_string()}")
