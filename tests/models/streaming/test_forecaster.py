"""A step of a kept state gives what reading the whole series gives; late, repeated and missing values included."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.data.batches import Batch
from models.data.collation import WindowArrays
from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.engines import EngineOutput
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor, predict
from models.restore import restore_collator, restore_network, segment_steps
from models.streaming.encoders import kept_steps, read_history
from models.streaming.forecaster import StepOutcome, StreamingForecaster
from models.streaming.obstacles import streams_exactly
from models.streaming.states import SeriesStates
from models.streaming.timeline import Timeline
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

VIEW = InputSpec(features=FeatureSpec(known=("hour",)), freq="h", zone="UTC", lookback=24, horizon=6)
LEVELS = (0.1, 0.5, 0.9)
NETWORKS = [
    RecurrentSpec(cell=cell, hidden=8, layers=layers, segment=segment, normalisation="none", cycle=cycle, blend=False)
    for cell, layers, segment, cycle in (
        ("rnn", 1, 1, 0),
        ("lstm", 1, 1, 0),
        ("gru", 1, 1, 24),
        ("gru", 2, 1, 0),
        ("rnn", 1, 4, 0),
        ("lstm", 2, 4, 24),
        ("gru", 1, 5, 0),  # five steps do not divide the lookback
    )
]
NAMES = [spec.name for spec in NETWORKS]


def series_of(steps: int, seed: int = 0, gaps: float = 0.0) -> np.ndarray:
    draw, hours = np.random.default_rng(seed), np.arange(steps)
    y = 10 + 3 * np.sin(2 * np.pi * hours / 24) + 0.3 * draw.standard_normal(steps).cumsum() / 10
    return np.where(draw.random(steps) < gaps, np.nan, y)


def train(build_frame, spec: RecurrentSpec, view: InputSpec = VIEW, members: int = 1) -> Bundle:
    panel = Panel.from_frame(build_frame({"a": series_of(400), "b": 2 * series_of(400, 1)}, "h"), view)
    index = build_window_index(panel, WindowSpec(horizon=6, validation=60, test=60), panel.grid[399], 4)
    training = TrainingSpec(max_epochs=1, windows_per_epoch=256, members=members)
    return train_network(panel, index, Recipe(model=spec, training=training, quantiles=LEVELS, view=view))[0]


@pytest.fixture(scope="module")
def bundles(build_frame) -> dict[str, Bundle]:
    return {spec.name: train(build_frame, spec) for spec in NETWORKS}


class WholeHistory:
    """An engine whose encoder has read the whole series up to each window, in one pass from an empty state."""

    def __init__(self, bundle: Bundle, panel: Panel, start: int, ends: np.ndarray) -> None:
        self.network, segment = restore_network(bundle), segment_steps(bundle)
        length = int(ends.max()) + 1 - start
        collator = dataclasses.replace(restore_collator(bundle), lookback=length)
        arrays = collator.collate(panel, np.array([0]), np.array([ends.max()]))
        batch = Batch.from_arrays(arrays)
        with torch.no_grad():
            past = self.network.cycle.remove(batch, batch.static).past if self.network.cycle else batch.past
            states = self.network.encode(past)[0]
        context = states[(ends + 1 - start) // segment - 1].unsqueeze(1)
        self.network.advance = lambda segments, state=(): (context, ())

    def run(self, arrays: WindowArrays, state: np.ndarray | None = None) -> EngineOutput:
        with torch.no_grad():
            return EngineOutput((self.network(Batch.from_arrays(arrays)).numpy(),), np.empty(0))


def expected(bundle: Bundle, panel: Panel, start: int, ends: np.ndarray) -> np.ndarray:
    """Calibrated quantiles (n, H, Q) after the steps `ends` of the first series, which begins at `start`."""
    predictor = Predictor(bundle, WholeHistory(bundle, panel, start, ends))
    return predictor.calibrated(predictor.forecast_windows(panel, np.zeros(len(ends), int), ends)).quantiles


def stream(bundle: Bundle, panel: Panel, until: int, carried: bool = True) -> StreamingForecaster:
    """A forecaster that has read every series of the panel up to a step."""
    predictor, codes = Predictor(bundle), np.arange(len(panel.ids))
    states = SeriesStates.from_panel(panel, codes, until, kept_steps(bundle))
    if carried and streams_exactly(bundle):
        states.encoders = read_history(predictor, panel, codes, until)
    return StreamingForecaster(predictor, states, Timeline(panel.grid, bundle.view), carried)


def assert_steps_equal_whole_history(bundle: Bundle, panel: Panel, steps: int) -> None:
    segment, begin = segment_steps(bundle), 23
    start = (begin + 1) % segment
    forecaster, row, forecasts, ends = stream(bundle, panel, begin), np.array([0]), [], []
    for step in range(begin + 1, steps):
        assert forecaster.step(row, np.array([step]), panel.y[[step]]) == (StepOutcome.ADVANCED,)
        if (step + 1 - start) % segment == 0:
            forecasts.append(forecaster.forecast(row)[0])
            ends.append(step)
    wanted = np.sort(expected(bundle, panel, start, np.array(ends)), axis=-1)
    np.testing.assert_allclose(np.array(forecasts), wanted, rtol=0, atol=2e-6 * np.nanstd(panel.y))  # float32


@pytest.mark.parametrize("name", NAMES)
def test_each_of_300_steps_equals_reading_the_whole_series(bundles, build_frame, name):
    panel = Panel.from_frame(build_frame({"a": series_of(300, 5, gaps=0.05)}, "h"), VIEW)
    assert_steps_equal_whole_history(bundles[name], panel, 300)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_of_10_000_steps_equals_reading_the_whole_series(bundles, build_frame, name):
    panel = Panel.from_frame(build_frame({"a": series_of(10_000, 5, gaps=0.05)}, "h"), VIEW)
    assert_steps_equal_whole_history(bundles[name], panel, 10_000)


@st.composite
def arrivals(draw):
    """Steps 100 … 139 in an order in which no step is more than eight behind the newest, some missing, some twice."""
    order = sorted(range(100, 140), key=lambda step: step + draw(st.integers(0, 8)))
    missing = draw(st.sets(st.integers(100, 138), max_size=8))
    repeated = draw(st.lists(st.sampled_from([step for step in order if step not in missing]), max_size=5))
    kept = [step for step in order if step not in missing]
    for step in repeated:
        kept.insert(min(kept.index(step) + 1 + draw(st.integers(0, 3)), len(kept)), step)
    return kept


@pytest.mark.parametrize("name", [NAMES[1], NAMES[-1], NAMES[-2]])
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(order=arrivals(), wrong=st.booleans())
def test_order_of_arrival_gaps_and_repeats_change_nothing(bundles, build_frame, name, order, wrong):
    bundle, y = bundles[name], series_of(140, 3)
    y[100:140][~np.isin(np.arange(100, 140), order)] = np.nan
    y[max(order) + 1 :] = np.nan
    panel = Panel.from_frame(build_frame({"a": y}, "h"), VIEW)
    forecaster, row = stream(bundle, panel, 99), np.array([0])
    for step in order:
        if wrong:  # a value that is corrected afterwards
            forecaster.step(row, np.array([step]), np.array([-7.0]))
        forecaster.step(row, np.array([step]), y[[step]])
    segment, newest = segment_steps(bundle), max(order)
    start = 100 % segment
    forecaster.step(row, np.array([newest + 1]), np.array([np.nan]))
    end = newest + 1
    while (end + 1 - start) % segment:
        end += 1
        forecaster.step(row, np.array([end]), np.array([np.nan]))
    longer = Panel.from_frame(build_frame({"a": np.append(y[: newest + 1], np.full(end - newest, np.nan))}, "h"), VIEW)
    wanted = np.sort(expected(bundle, longer, start, np.array([end])), axis=-1)
    np.testing.assert_allclose(forecaster.forecast(row), wanted, rtol=0, atol=1e-6 * np.nanstd(y))


def test_model_that_does_not_stream_forecasts_as_in_a_night(build_frame):
    bundle = train(build_frame, RecurrentSpec(cell="gru", hidden=8, segment=4), members=2)
    y = {"a": series_of(200, 7, gaps=0.1), "b": np.full(200, 5.0), "c": 100 * series_of(200, 8)}
    panel = Panel.from_frame(build_frame(y, "h"), VIEW)
    forecaster, rows = (
        stream(bundle, panel, 149, carried=True) if False else stream(bundle, panel, 149, False),
        np.arange(3),
    )
    for step in range(150, 200):
        forecaster.step(rows, np.full(3, step), np.array([values[step] for values in y.values()]))
        np.testing.assert_array_equal(
            forecaster.forecast(rows), predict(bundle, panel, rows, np.full(3, step)), err_msg=str(step)
        )


def test_open_segment_reads_the_lookback(bundles, build_frame):
    bundle = bundles[NAMES[4]]
    panel = Panel.from_frame(build_frame({"a": series_of(120, 9)}, "h"), VIEW)
    forecaster, row = stream(bundle, panel, 99), np.array([0])
    forecaster.step(row, np.array([100]), panel.y[[100]])
    np.testing.assert_array_equal(forecaster.forecast(row), predict(bundle, panel, row, np.array([100])))


def test_outcomes_name_what_became_of_each_observation(bundles, build_frame):
    panel = Panel.from_frame(build_frame({"a": series_of(120, 9)}, "h"), VIEW)
    forecaster, row = stream(bundles[NAMES[0]], panel, 119), np.array([0])

    def outcome(step: int, value: float) -> StepOutcome:
        return forecaster.step(row, np.array([step]), np.array([value]))[0]

    assert outcome(122, 9.0) is StepOutcome.ADVANCED
    assert outcome(120, 8.0) is StepOutcome.FILLED
    assert outcome(120, 8.0) is StepOutcome.REPEATED
    assert outcome(120, np.nan) is StepOutcome.REPEATED
    assert outcome(120, 8.5) is StepOutcome.CORRECTED
    assert outcome(60, 1.0) is StepOutcome.TOO_OLD
    assert forecaster.states.y[0, -3:].tolist() == pytest.approx([8.5, np.nan, 9.0], nan_ok=True)
    assert outcome(400, 7.0) is StepOutcome.RESTARTED
    assert (np.isfinite(forecaster.states.y[0]).sum(), forecaster.states.newest[0]) == (1, 400)
    assert np.isfinite(forecaster.forecast(row)).all()


def test_many_series_step_at_once_as_each_alone(bundles, build_frame):
    bundle = bundles[NAMES[3]]
    y = {f"s{number:03d}": series_of(60, number) for number in range(40)}
    panel = Panel.from_frame(build_frame(y, "h"), VIEW)
    together, alone = stream(bundle, panel, 58), stream(bundle, panel, 58)
    rows, values = np.arange(40), np.array([series[59] for series in y.values()])
    together.step(rows, np.full(40, 59), values)
    for row in rows:
        alone.step(rows[[row]], np.array([59]), values[[row]])
    wanted = np.concatenate([alone.forecast(rows[[row]]) for row in rows])
    np.testing.assert_allclose(together.forecast(rows), wanted, rtol=1e-6)


def test_linear_map_reads_as_much_kept_history_as_in_a_night(build_frame) -> None:
    bundle = train(build_frame, RecurrentSpec(cell="gru", hidden=8, segment=4))
    tensors = {name: values for name, values in bundle.tensors.items() if name != "median.seasons"}
    bundle = dataclasses.replace(bundle, tensors=tensors | {"share": np.array([0.5])})
    assert (bundle.lookback, bundle.history) == (24, 96)
    panel = Panel.from_frame(build_frame({"a": series_of(300, 5), "short": series_of(40, 6)}, "h"), VIEW)
    forecaster, rows = stream(bundle, panel, 30), np.array([0, 1])
    for step in range(31, 40):
        forecaster.step(rows, np.array([step, step]), panel.y[panel.starts + step])
    wanted = np.sort(Predictor(bundle).quantiles(panel, rows, np.array([39, 39])), axis=-1)
    np.testing.assert_allclose(forecaster.forecast(rows), wanted, rtol=1e-6)
    long, alone = stream(bundle, panel, 200), np.array([0])
    wanted = np.sort(Predictor(bundle).quantiles(panel, alone, np.array([200])), axis=-1)
    np.testing.assert_allclose(long.forecast(alone), wanted, rtol=1e-6)


def test_adjusted_network_forecasts_from_its_kept_steps_as_in_a_night(build_frame) -> None:
    draw, hours = np.random.default_rng(0), np.arange(1300)
    frame = build_frame(
        {
            name: np.exp(np.sin(2 * np.pi * (hours + 7 * place) / 24) + 0.1 * draw.standard_normal(1300))
            for place, name in enumerate("abcd")
        },
        "h",
    )
    panel = Panel.from_frame(frame, VIEW)
    index = build_window_index(panel, WindowSpec(horizon=6, validation=60, test=60), panel.grid[1299], 4)
    recipe = Recipe(
        model=RecurrentSpec(cell="gru", hidden=8), training=TrainingSpec(max_epochs=1), quantiles=LEVELS, view=VIEW
    )
    bundle, _ = train_network(panel, index, recipe)
    assert bundle.recurrent.adjustment == (24, 168)
    assert kept_steps(bundle) == 1008
    states = SeriesStates.from_panel(panel, np.arange(4), 1200, kept_steps(bundle))
    forecaster = StreamingForecaster(Predictor(bundle), states, Timeline(panel.grid, VIEW))
    forecaster.step(
        np.arange(4), np.full(4, 1201), panel.take(panel.y, np.arange(4), np.full(4, 1201), np.arange(1))[:, 0]
    )
    expected = predict(bundle, panel, np.arange(4), np.full(4, 1201))
    np.testing.assert_allclose(forecaster.forecast(np.arange(4)), expected, rtol=1e-5)
