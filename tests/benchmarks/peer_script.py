"""Forecasts of a peer on rolling origins, run by the Python of its own environment; it imports nothing of this project.

Usage: python peer_script.py lightgbm|lstm FOLDER SEED, with FOLDER/history.parquet (unique_id, ds, y without gaps) and
FOLDER/task.json. Writes FOLDER/forecasts.parquet: unique_id, ds, cutoff, y_hat, q05, q10, q50, q90, q95. The last line
of the output has the seconds of the processor and the peak memory of the process in MiB.
"""

import json
import logging
import os
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["NIXTLA_ID_AS_COL"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import pandas as pd  # noqa: E402 - warnings are off before it

LEVELS = [80, 90]
MAX_INTERVAL_WINDOWS = 28  # of the training part, whose errors decide the intervals of LightGBM
COLUMNS = {"": "y_hat", "-median": "y_hat", "-lo-90": "q05", "-lo-80": "q10", "-hi-80": "q90", "-hi-90": "q95"}


def lightgbm(task: dict[str, Any], train: pd.DataFrame, seed: int) -> Any:
    """Fit gradient boosting on lags, seasonal differences and calendar features; intervals from its errors.

    Returns:
        The fitted MLForecast; it has no intervals if a series is too short for two windows of errors.
    """
    import lightgbm as lgb
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.target_transforms import LocalStandardScaler
    from mlforecast.utils import PredictionIntervals

    season, horizon = task["season"], task["horizon"]
    lags = sorted({1, 2, 3, *(lag for lag in task["lags"] if lag > 1)})
    model = lgb.LGBMRegressor(
        n_estimators=300, learning_rate=0.05, num_leaves=31, subsample=0.8, subsample_freq=1, random_state=seed,
        n_jobs=1, verbosity=-1,
    )  # fmt: skip
    forecaster = MLForecast(
        models={"model": model}, freq=task["freq"], lags=lags, lag_transforms={1: [RollingMean(max(season, 2))]},
        date_features=task["calendar"], target_transforms=[LocalStandardScaler()],
    )  # fmt: skip
    spare = int(train.groupby("unique_id").size().min()) - lags[-1] - 1
    if spare < 3 * horizon:  # a series is too short for errors of its own
        return forecaster.fit(train)
    windows = min(max(2, spare // horizon - 1), MAX_INTERVAL_WINDOWS)
    intervals = PredictionIntervals(n_windows=windows, h=horizon)
    return forecaster.fit(train, prediction_intervals=intervals)


def lstm(task: dict[str, Any], train: pd.DataFrame, seed: int) -> Any:
    """Train neuralforecast's LSTM with its own defaults, except lookback, quantiles and scaling."""
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import LSTM

    torch.set_num_threads(1)
    model = LSTM(
        h=task["horizon"], input_size=task["lookback"], loss=MQLoss(level=LEVELS), scaler_type="standard",
        max_steps=task["steps"], random_seed=seed, alias="model", start_padding_enabled=True, accelerator="cpu",
        logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    forecaster = NeuralForecast([model], freq=task["freq"])
    forecaster.fit(train)
    return forecaster


def forecast(kind: str, forecaster: Any, history: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Forecast the horizon after the last rows of a history; without intervals each quantile is the point forecast."""
    if kind == "lightgbm":
        has_intervals = getattr(forecaster, "prediction_intervals", None) is not None
        table = forecaster.predict(horizon, new_df=history, level=LEVELS if has_intervals else None)
    else:
        table = forecaster.predict(history)
    table = table.rename(columns=lambda name: COLUMNS.get(re.sub(r"^model\d*", "", name), name))
    return table.assign(**{name: table["y_hat"] for name in COLUMNS.values() if name not in table})


def main(kind: str, folder: Path, seed: int) -> None:
    """Fit on the rows up to the last validation target, and forecast from each origin without fitting again."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    history, started = pd.read_parquet(folder / "history.parquet"), time.process_time()
    forecaster = {"lightgbm": lightgbm, "lstm": lstm}[kind](task, history[history["ds"] <= task["trained_until"]], seed)
    tables = []
    for cutoff in task["cutoffs"]:
        known = history[history["ds"] <= cutoff]
        tables.append(forecast(kind, forecaster, known, task["horizon"]).assign(cutoff=pd.Timestamp(cutoff)))
    table = pd.concat(tables)
    table.assign(q50=table["y_hat"]).to_parquet(folder / "forecasts.parquet", index=False)
    status = Path("/proc/self/status").read_text(encoding="ascii")  # getrusage would count the parent process
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    print(json.dumps({"cpu_s": time.process_time() - started, "peak_mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
