"""The peer of batch_forecast.py, run by the Python of its own environment; of this project it imports batch_measures.

Usage: python neuralforecast_script.py CELL TASK FOLDER, with FOLDER/history.parquet; TASK is train or predict.
"""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["NIXTLA_ID_AS_COL"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import torch
from batch_measures import measured_peak, start_peak

start_peak()
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import pandas as pd  # noqa: E402 - counted in the peak
from neuralforecast import NeuralForecast  # noqa: E402 - counted in the peak
from neuralforecast.models import GRU, LSTM  # noqa: E402 - counted in the peak

HORIZON, LOOKBACK, HIDDEN, LAYERS, TRAINED_SERIES = 24, 168, 64, 2, 100
QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def train(cell: str, folder: Path) -> None:
    """Train a few steps on some of the series."""
    frame = pd.read_parquet(folder / "history.parquet")
    frame = frame[frame["unique_id"].isin(frame["unique_id"].unique()[:TRAINED_SERIES])]
    model = {"lstm": LSTM, "gru": GRU}[cell](
        h=HORIZON, input_size=LOOKBACK, encoder_hidden_size=HIDDEN, encoder_n_layers=LAYERS, max_steps=10,
        enable_checkpointing=False, **QUIET,
    )  # fmt: skip
    forecaster = NeuralForecast([model], freq="h")
    forecaster.fit(frame.assign(ds=frame["ds"].dt.tz_localize(None)))
    forecaster.save(str(folder / f"neuralforecast-{cell}"), overwrite=True, save_dataset=False)


def predict(cell: str, folder: Path) -> dict[str, float]:
    """Forecast every series; return the seconds from one file to the other, and what the network takes of them."""
    torch.set_num_threads(1)
    forecaster = NeuralForecast.load(str(folder / f"neuralforecast-{cell}"))
    model, in_network = forecaster.models[0], [0.0]
    forward = model.forward

    def timed(*arguments: object, **options: object) -> object:
        started = time.process_time()
        try:
            return forward(*arguments, **options)
        finally:
            in_network[0] += time.process_time() - started

    model.forward = timed
    wall, cpu = time.perf_counter(), time.process_time()
    frame = pd.read_parquet(folder / "history.parquet")
    frame["ds"] = frame["ds"].dt.tz_localize(None)
    table = forecaster.predict(frame)
    table.to_parquet(folder / f"{cell}-neuralforecast.parquet", index=False, compression="zstd")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_s": cpu, "wall_s": wall, "network_s": in_network[0], "peak_mib": measured_peak(), "rows": len(table)}


if __name__ == "__main__":
    cell, task, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if task == "train":
        train(cell, folder)
    else:
        print(json.dumps(predict(cell, folder)))
