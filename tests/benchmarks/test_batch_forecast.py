"""Part of `make bench`: 10,000 hourly series of 500 points, from Parquet to Parquet, compared with neuralforecast.

NIGHTCAST_BENCH_NEURALFORECAST is the Python of an environment with neuralforecast; without it, this side runs alone.
Cell, hidden units, layers and lookback are the same, with segments of a day (the default) and without segments (the
arithmetic of the peer). Each run is a process of its own with one thread; networks are trained before. The peak is that
above a process that has imported PyTorch.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.batch_forecast import POINTS, SERIES

pytestmark = pytest.mark.benchmark

PEER = os.environ.get("NIGHTCAST_BENCH_NEURALFORECAST", "")
SCRIPT = Path(__file__).with_name("neuralforecast_script.py")
RUNS = 3
WAYS = {
    "night's table": ("24", "table"),
    "load_champion().predict": ("24", "predict"),
    "night's table, segment: 1": ("1", "table"),
    "load_champion().predict, segment: 1": ("1", "predict"),
}


def build(folder: Path) -> None:
    """Write series with a season of a day, sorted by series."""
    draw = np.random.default_rng(0)
    hours = np.datetime64("2024-01-01", "us") + np.arange(POINTS) * np.timedelta64(3_600_000_000, "us")
    season, level = np.sin(np.arange(POINTS) * 2 * np.pi / 24), draw.gamma(2, 10, (SERIES, 1))
    y = level * (3 + season * draw.random((SERIES, 1)) * 2) + draw.normal(0, 0.3, (SERIES, POINTS)) * level
    names = np.repeat([f"series-{number:06}" for number in range(SERIES)], POINTS)
    times = pa.array(np.tile(hours, SERIES), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"unique_id": names, "ds": times, "y": y.reshape(-1)}), folder / "history.parquet")


def run(*command: str) -> dict[str, float]:
    """Run a process with one thread, and return what it measured."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"cpu_s"')]
    return json.loads(lines[-1]) if lines else {}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_ten_thousand_series(tmp_path, capsys, cell) -> None:
    build(tmp_path)
    own: tuple[str, ...] = (sys.executable, "-m", "tests.benchmarks.batch_forecast", cell)
    peer: tuple[str, ...] = (PEER, str(SCRIPT), cell)
    calls: dict[str, tuple[str, ...]] = {
        name: (*own, segment, task, str(tmp_path)) for name, (segment, task) in WAYS.items()
    }
    for segment in ("1", "24"):
        run(*own, segment, "train", str(tmp_path))
    if PEER:
        run(*peer, "train", str(tmp_path))
        calls["neuralforecast"] = (*peer, "predict", str(tmp_path))
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
    for _ in range(RUNS):  # in turn, so that a busy machine slows all of them
        for name, call in calls.items():
            runs[name].append(run(*call))
    for segment in ("1", "24"):
        night, served = ((tmp_path / f"{cell}-{segment}-{task}.parquet").read_bytes() for task in ("table", "predict"))
        assert night == served
    figures = {
        name: {word: round(statistics.median(of[word] for of in measured), 2) for word in measured[0]}
        for name, measured in runs.items()
    }
    for of in figures.values():
        of["series_per_s"] = round(SERIES / of["cpu_s"])
        of["network_share"] = round(of["network_s"] / of["cpu_s"], 2)
        of["faster"] = round(figures["neuralforecast"]["cpu_s"] / of["cpu_s"], 2) if PEER else float("nan")
    with capsys.disabled():
        print(f"\n{cell}: {SERIES:,} series x {POINTS} points, processor seconds of one thread, medians of {RUNS} runs")
        if not PEER:
            print("without neuralforecast: NIGHTCAST_BENCH_NEURALFORECAST names no Python that has it")
        print(f"{'':38}{'cpu s':>7}{'wall s':>8}{'series/s':>10}{'network':>9}{'peak MiB':>10}{'x peer':>8}")
        for name, of in figures.items():
            print(
                f"{name:38}{of['cpu_s']:7.2f}{of['wall_s']:8.2f}{of['series_per_s']:10,}{of['network_share']:9.0%}"
                f"{of['peak_mib']:10,.0f}{of['faster']:8.2f}"
            )
        print(json.dumps({"benchmark": "batch_forecast", "cell": cell, "series": SERIES, "points": POINTS, **figures}))
