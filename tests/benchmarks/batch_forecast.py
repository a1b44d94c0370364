"""Train a network and forecast many series from a Parquet file to another one; print measurements as one JSON line.

Usage: python -m tests.benchmarks.batch_forecast CELL SEGMENT TASK FOLDER, with FOLDER/history.parquet. The task `train`
writes FOLDER/CELL-SEGMENT.safetensors; `table` forecasts as a night does, without its audits; `predict` forecasts as
`load_champion` does, with checks of every row of the history, and with factors on the intervals.
"""

import functools
import json
import sys
import time
from pathlib import Path

from tests.benchmarks.batch_measures import measured_peak, start_peak

HORIZON, LOOKBACK, HIDDEN, LAYERS, TRAINED_SERIES = 24, 168, 64, 2, 100
SERIES, POINTS = 10_000, 500
QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)


def train(cell: str, segment: int, folder: Path) -> None:
    """Train one short epoch on some of the series."""
    import pandas as pd

    from models.data.features import FeatureSpec
    from models.data.panel import InputSpec, Panel
    from models.data.windows import WindowSpec, build_window_index
    from models.networks.architecture import RecurrentSpec
    from models.training.recipe import Recipe
    from models.training.train_network import train_network
    from models.training.training_spec import TrainingSpec

    frame = pd.read_parquet(folder / "history.parquet")
    frame = frame[frame["unique_id"].isin(frame["unique_id"].unique()[:TRAINED_SERIES])]
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=LOOKBACK, horizon=HORIZON)
    panel = Panel.from_frame(frame, view)
    spec = WindowSpec(lookback=LOOKBACK, horizon=HORIZON, validation="2d", test="2d")
    index = build_window_index(panel, spec, frame["ds"].max(), origins=2)
    model = RecurrentSpec(cell=cell, hidden=HIDDEN, layers=LAYERS, segment=segment)
    training = TrainingSpec(max_epochs=1, windows_per_epoch=2048, validation_windows=512, precision="float32")
    bundle, _ = train_network(panel, index, Recipe(model=model, training=training, quantiles=QUANTILES, view=view))
    (folder / f"{cell}-{segment}.safetensors").write_bytes(bundle.to_bytes())


def forecast(cell: str, segment: int, task: str, folder: Path) -> dict[str, float]:
    """Forecast every series; return the seconds from one file to the other, and what the network takes of them."""
    import torch

    start_peak()
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from models.bundle import Bundle
    from models.data.panel_table import PanelTable
    from models.engines import TorchEngine
    from models.predict import Predictor
    from models.recalibration import Recalibration
    from tasks.modeling.forecast_setup import OutputSpec
    from tasks.modeling.forecasts import forecast_table
    from tasks.modeling.serving import forecast_history
    from tasks.storage.parquet import OPTIONS, read_row_groups

    in_network = [0.0]
    run = TorchEngine.run

    def timed(*arguments: object) -> object:
        started = time.process_time()
        try:
            return run(*arguments)  # type: ignore[arg-type]
        finally:
            in_network[0] += time.process_time() - started

    TorchEngine.run = timed  # type: ignore[method-assign,assignment]
    torch.set_num_threads(1)
    predictor = Predictor(Bundle.from_bytes((folder / f"{cell}-{segment}.safetensors").read_bytes()))
    bounds = OutputSpec(quantiles=QUANTILES)
    wall, cpu = time.perf_counter(), time.process_time()
    if task == "table":
        parts = read_row_groups(folder / "history.parquet", None, ["unique_id"])  # as of a clean table
        clean = PanelTable.from_parts((part.to_pandas() for part in parts), SERIES * POINTS)
        rows = pd.DataFrame({"unique_id": clean.ids, "cutoff": clean.times[clean.last_known()]})
        table = forecast_table(predictor.bundle, clean, rows, bounds, predictor)
    else:
        read = functools.partial(pd.read_parquet, folder / "history.parquet")
        neutral = Recalibration.neutral(0, HORIZON, len(QUANTILES)), ()
        table = forecast_history(predictor.bundle, read(), bounds, "auto", predictor, neutral)
    written = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(written, folder / f"{cell}-{segment}-{task}.parquet", **OPTIONS)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_s": cpu, "wall_s": wall, "network_s": in_network[0], "peak_mib": measured_peak(), "rows": len(table)}


def main(cell: str, segment: str, task: str, folder: str) -> None:
    """Do one task."""
    if task == "train":
        train(cell, int(segment), Path(folder))
    else:
        print(json.dumps(forecast(cell, int(segment), task, Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
