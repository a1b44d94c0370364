"""Sizes that depend on the data are compared with the memory of the machine before it is taken."""

import dataclasses
import time
from typing import Any

import pandas as pd
import pytest
from torch import nn

from data_contracts.errors import SpecError
from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.modeling import size_limits
from tasks.modeling.forecast_setup import EvaluationSpec
from tasks.modeling.size_limits import check_forecast_size, check_network_size, count_states, count_weights


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_limits, "memory_limit", lambda: 16_000_000_000)


def panel(series: int, lookback: int, horizon: int) -> Panel:
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=48, horizon=24)
    times = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    built = Panel.from_frame(pd.DataFrame({"unique_id": "a", "ds": times, "y": 1.0}), view)
    larger = view.model_copy(update={"lookback": lookback, "horizon": horizon})
    return dataclasses.replace(built, ids=("a",) * series, view=larger)


@pytest.mark.parametrize(
    ("series", "lookback", "horizon", "origins", "message"),
    [
        (100_000, 168, 24, 28, ""),
        (1, 8760, 168, 28, ""),
        (
            100_000,
            168,
            24,
            10_000,
            "are 24,002,400,000 rows, which need about 1.5 TB .* Lower windowing.horizon or eval",
        ),
        (
            1_000_000,
            168,
            1000,
            28,
            "1,000,000 series, windowing.horizon 1,000 and evaluation.windows 28 are 29,000,000",
        ),
        (
            1,
            100_000,
            24,
            1,
            "linear baseline of windowing.lookback 100,000 and windowing.horizon 24 has 60,014,400,000",
        ),
        (
            1,
            20_000,
            10_000,
            1,
            "linear baseline .* about 28.8 GB of memory, and there are 16.0 GB here. Lower windowing",
        ),
    ],
)
def test_forecasts_that_do_not_fit_are_refused(
    series: int, lookback: int, horizon: int, origins: int, message: str
) -> None:
    if not message:
        check_forecast_size(panel(series, lookback, horizon), EvaluationSpec(windows=origins, max_series=series))
        return
    with pytest.raises(SpecError, match=message):
        check_forecast_size(panel(series, lookback, horizon), EvaluationSpec(windows=origins, max_series=series))


def recipe(lookback: int = 168, horizon: int = 24, batch_size: int = 128, **model: Any) -> Recipe:
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=lookback, horizon=horizon)
    training = TrainingSpec(batch_size=batch_size)
    network = RecurrentSpec.model_validate({"cell": "lstm", "segment": 1, **model})
    return Recipe(model=network, training=training, quantiles=(0.5,), view=view)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, ""),
        ({"hidden": 1024, "layers": 4, "bidirectional": True}, ""),
        ({"hidden": 16_384, "layers": 64}, r"model lstm-16384x64 has 13\d,\d{3},\d{3},\d{3} weights.* Lower hidden, "),
        ({"lookback": 100_000, "horizon": 100_000}, "has 10,000,117,.* weights"),
        ({"lookback": 100_000, "batch_size": 100_000}, r"numbers of a training batch .*training\.batch_size 100,000\)"),
    ],
)
def test_network_that_does_not_fit_is_refused_at_once(settings: dict[str, Any], message: str) -> None:
    begun = time.monotonic()
    if message:
        with pytest.raises(SpecError, match=message):
            check_network_size(recipe(**settings))
    else:
        check_network_size(recipe(**settings))
    assert time.monotonic() - begun < 5


def test_weights_are_counted_without_allocating_them() -> None:
    gates, hidden, inputs = 4, 64, 2
    encoder = gates * (hidden * inputs + hidden * hidden + 2 * hidden)
    assert count_weights(recipe(skip=False)) == encoder == sum(p.numel() for p in nn.LSTM(inputs, hidden).parameters())
    stacked = nn.GRU(hidden, hidden, 3, bidirectional=True)
    assert count_weights(recipe(skip=False, cell="gru", layers=3, bidirectional=True, segment=24)) == (
        24 * inputs * hidden + sum(parameter.numel() for parameter in stacked.parameters())
    )
    assert count_weights(recipe(skip=True)) == count_weights(recipe(skip=False)) + 169 * 24
    assert count_states(recipe(lookback=168, segment=24, batch_size=10)) == 10 * (168 * 2 + 7 * 64 + 24 * 64)
