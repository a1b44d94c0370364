"""Models of other libraries on the rolling origins of a pipeline, each in the environment of its own."""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd

from models.data.calendar import seasons
from tasks.modeling.training_data import window_cutoffs
from tests.benchmarks.rolling_origins import RollingOrigins

CALENDAR = {"h": ["hour", "dayofweek"], "30min": ["hour", "minute", "dayofweek"], "B": ["dayofweek"], "W": ["month"]}
SCRIPT = Path(__file__).with_name("peer_script.py")
ENVIRONMENTS = {
    "lightgbm": os.environ.get("NIGHTCAST_BENCH_MLFORECAST", ""),
    "lstm": os.environ.get("NIGHTCAST_BENCH_NEURALFORECAST", ""),
}
"""The Python of an environment with mlforecast and lightgbm, and of one with neuralforecast; empty: it is left out."""
NAMES = {"lightgbm": "LightGBM (mlforecast)", "lstm": "LSTM (neuralforecast)"}
TRAINING_STEPS = 1000  # of neuralforecast's LSTM, its default, of 128 windows each; 500 are too few (models/README.md)


def write_task(origins: RollingOrigins, folder: Path) -> None:
    """Write the clean table with gaps interpolated, and what a peer needs to forecast the test origins."""
    clean = origins.clean.sort_values(["unique_id", "ds"])
    y = clean.groupby("unique_id")["y"].transform(lambda values: values.interpolate(limit_direction="both"))
    table = pd.DataFrame({"unique_id": clean["unique_id"].astype(str), "ds": clean["ds"].dt.tz_localize(None), "y": y})
    table.to_parquet(folder / "history.parquet", index=False)
    view, cutoffs = origins.spec.input_spec, window_cutoffs(origins.table, origins.index, "test")["cutoff"]
    task = {
        "freq": "W-SUN" if view.freq == "W" else view.freq,
        "horizon": view.horizon, "lookback": view.lookback, "season": view.season, "steps": TRAINING_STEPS,
        "lags": [*seasons(view.freq), *(season + 1 for season in seasons(view.freq))],
        "calendar": CALENDAR.get(view.freq, []),
        "trained_until": str(origins.part.grid[-1 - view.horizon].tz_localize(None)),
        "cutoffs": sorted(str(cutoff.tz_localize(None)) for cutoff in cutoffs.unique()),
    }  # fmt: skip
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")


def run_peer(kind: str, origins: RollingOrigins, folder: Path, seed: int) -> dict[str, float]:
    """Train and forecast in a process of its own with one thread; return the scores, cpu_s and peak_mib."""
    write_task(origins, folder)
    command = (ENVIRONMENTS[kind], str(SCRIPT), kind, str(folder), str(seed))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{kind} failed: {done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    table = pd.read_parquet(folder / "forecasts.parquet")
    table = table.assign(**{name: table[name].dt.tz_localize("UTC") for name in ("ds", "cutoff")})
    windows = window_cutoffs(origins.table, origins.index, "test")
    table = windows.merge(table, "left", ["unique_id", "cutoff"])
    return origins.score_table(table, origins.mase_scales(windows)) | measured
