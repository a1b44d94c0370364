"""A training step of another library, run by the Python of its own environment; it imports nothing of this project.

Usage: python training_peer.py KIND CELL THREADS FOLDER, with FOLDER/history.parquet and the sizes in FOLDER/task.json;
KIND is darts or neuralforecast. Prints the median processor and wall seconds between the ends of two steps as JSON.
"""

import json
import logging
import os
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["NIXTLA_ID_AS_COL"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402 - after the warnings are off
import pandas as pd  # noqa: E402 - after the warnings are off
import pytorch_lightning as lightning  # noqa: E402 - after the warnings are off
import torch  # noqa: E402 - after the warnings are off

step_ends: list[tuple[float, float]] = []  # of the module: neuralforecast copies callbacks


class StepTimes(lightning.Callback):  # type: ignore[misc]  # the library is not installed here
    """Records the clocks at the end of each training step."""

    def on_train_batch_end(self, *_: object) -> None:
        """Called by the trainer."""
        step_ends.append((time.process_time(), time.perf_counter()))


def median_times(warm_up: int) -> dict[str, float]:
    """Return the median time from one step to the next after the first `warm_up` steps."""
    taken = np.diff(np.array(step_ends[warm_up:]), axis=0)
    return dict(zip(("cpu_s", "wall_s"), (statistics.median(of) for of in taken.T), strict=True))


def train_darts(cell: str, history: pd.DataFrame, task: dict[str, int], trainer: dict[str, Any]) -> None:
    """Train a BlockRNNModel on windows of all series."""
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    series = [
        TimeSeries.from_times_and_values(pd.DatetimeIndex(of["ds"]), of[["y"]].to_numpy(np.float32))
        for _, of in history.groupby("unique_id")
    ]
    model = BlockRNNModel(
        task["lookback"], task["horizon"], model=cell.upper(), hidden_dim=task["hidden"], n_rnn_layers=task["layers"],
        batch_size=task["batch"], loss_fn=torch.nn.MSELoss(), optimizer_kwargs={"lr": 1e-3}, pl_trainer_kwargs=trainer,
    )  # fmt: skip
    model.fit(series, dataloader_kwargs={"num_workers": 0})


def train_neuralforecast(cell: str, history: pd.DataFrame, task: dict[str, int], trainer: dict[str, Any]) -> None:
    """Train the LSTM or GRU of neuralforecast on windows of all series."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import GRU, LSTM

    model = {"lstm": LSTM, "gru": GRU}[cell](
        h=task["horizon"], input_size=task["lookback"], encoder_hidden_size=task["hidden"],
        encoder_n_layers=task["layers"], windows_batch_size=task["batch"], batch_size=history["unique_id"].nunique(),
        learning_rate=1e-3, loss=MSE(), **trainer,
    )  # fmt: skip
    NeuralForecast([model], freq="h").fit(history)


def main(kind: str, cell: str, threads: int, folder: Path) -> None:
    """Train some steps and print their times."""
    torch.set_num_threads(threads)
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    history = pd.read_parquet(folder / "history.parquet")
    trainer = {
        "max_steps": task["warm_up"] + task["steps"] + 1, "callbacks": [StepTimes()], "accelerator": "cpu",
        "logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False,
    }  # fmt: skip
    {"darts": train_darts, "neuralforecast": train_neuralforecast}[kind](cell, history, task, trainer)
    print(json.dumps(median_times(task["warm_up"])))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
