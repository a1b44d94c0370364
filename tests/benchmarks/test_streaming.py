"""Measurements of streaming: a step of a kept state, or reading the lookback again, by PyTorch and ONNX; memory.

All lines of one run come from the same machine and process, one thread; times are medians and 99th percentiles.
"""

import time

import numpy as np
import pandas as pd
import pytest

from models.bundle import Bundle
from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.engines import Engine, OnnxEngine, TorchEngine
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor
from models.streaming.encoders import kept_steps, read_history
from models.streaming.forecaster import StreamingForecaster
from models.streaming.obstacles import streams_exactly
from models.streaming.states import SeriesStates
from models.streaming.timeline import Timeline
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

pytestmark = pytest.mark.benchmark

LOOKBACK, HORIZON, HOURS, STEPS = 168, 24, 1_500, 1_000
NETWORKS = (
    RecurrentSpec(cell="gru", hidden=64, layers=2, segment=1, normalisation="none"),
    RecurrentSpec(cell="lstm", hidden=64, layers=2, segment=1, normalisation="none"),
    RecurrentSpec(cell="gru", hidden=64, layers=2, segment=24),
    RecurrentSpec(cell="lstm", hidden=64, layers=2, segment=24),
)


def panel_of(series: int, hours: int) -> Panel:
    draw, times = np.random.default_rng(0), pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC")
    wave = 10 + 3 * np.sin(2 * np.pi * np.arange(hours) / 24)
    parts = [
        pd.DataFrame({"unique_id": f"s{n:06d}", "ds": times.as_unit("us"), "y": wave + draw.standard_normal(hours)})
        for n in range(series)
    ]
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=LOOKBACK, horizon=HORIZON)
    return Panel.from_frame(pd.concat(parts, ignore_index=True), view)


def train(spec: RecurrentSpec, panel: Panel) -> Bundle:
    index = build_window_index(panel, WindowSpec(lookback=LOOKBACK, horizon=HORIZON), panel.grid[HOURS - 1], 4)
    recipe = Recipe(model=spec, training=TrainingSpec(max_epochs=1, windows_per_epoch=256),
                    quantiles=(0.05, 0.1, 0.5, 0.9, 0.95), view=panel.view)  # fmt: skip
    return train_network(panel, index, recipe)[0]


def stream(bundle: Bundle, engine: Engine, panel: Panel, carried: bool) -> StreamingForecaster:
    predictor, codes, cutoff = Predictor(bundle, engine), np.arange(len(panel.ids)), HOURS - STEPS - 1
    states = SeriesStates.from_panel(panel, codes, cutoff, kept_steps(bundle))
    if carried:
        states.encoders = read_history(predictor, panel, codes, cutoff)
    return StreamingForecaster(predictor, states, Timeline(panel.grid, bundle.view), carried)


def milliseconds_per_step(forecaster: StreamingForecaster, panel: Panel) -> np.ndarray:
    row, times = np.array([0]), []
    for step in range(HOURS - STEPS, HOURS):
        begin = time.perf_counter()
        forecaster.step(row, np.array([step]), panel.y[[step]])
        forecaster.forecast(row)
        times.append(1000 * (time.perf_counter() - begin))
    return np.array(times[50:])


def test_step_beside_reading_the_lookback_again(capsys):
    panel, lines = panel_of(1, HOURS), []
    for spec in NETWORKS:
        bundle = train(spec, panel)
        for label, build in (("torch", TorchEngine), ("onnx", OnnxEngine)):
            for carried in (True, False) if streams_exactly(bundle) else (False,):
                times = milliseconds_per_step(stream(bundle, build(bundle), panel, carried), panel)
                kind = "carried state" if carried else "lookback again"
                p50, p99 = np.percentile(times, [50, 99])
                lines.append(f"{bundle.name:24s} {label:6s} {kind:15s} p50 {p50:7.3f} ms  p99 {p99:7.3f} ms")
    with capsys.disabled():
        print(f"\nobservation and forecast of one series, lookback {LOOKBACK}, horizon {HORIZON}\n" + "\n".join(lines))


def test_memory_and_speed_of_many_kept_states(capsys):
    small = panel_of(1, HOURS)
    lines = []
    for spec in (NETWORKS[0], NETWORKS[2]):
        bundle = train(spec, small)
        one = stream(bundle, OnnxEngine(bundle), small, streams_exactly(bundle))
        count = 100_000
        states = one.states.select(np.zeros(count, dtype=np.int64))
        states.ids = tuple(f"s{number:06d}" for number in range(count))
        many = StreamingForecaster(one.predictor, states, one.timeline, one.carried)
        size, rows = states.size_bytes, np.arange(4_096)
        begin = time.process_time()
        many.step(rows, many.states.newest[rows] + 1, np.full(len(rows), 10.0))
        many.forecast(rows)
        seconds = time.process_time() - begin
        kind = "carried state" if many.carried else "lookback again"
        memory = f"{count:,} states: {size / 2**20:7.1f} MiB ({size / count:,.0f} bytes each)"
        speed = f"a step of {len(rows):,} at once: {len(rows) / seconds:9,.0f} series per processor second"
        lines.append(f"{bundle.name:24s} {kind:15s} {memory}; {speed}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
