"""The engine of PyTorch: parts of a batch give the bytes of the whole, with and without a state."""

import dataclasses

import numpy as np
import pytest

from models import engines
from models.bundle import Bundle
from models.data.collation import WindowArrays
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.engines import EngineOutput, TorchEngine
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec


@pytest.fixture(scope="module", params=["lstm", "gru"])
def bundle(request: pytest.FixtureRequest, waves: tuple[Panel, WindowIndex]) -> Bundle:
    panel, index = waves
    model = RecurrentSpec(cell=request.param, hidden=16, layers=2, segment=1)
    training = TrainingSpec(max_epochs=1, windows_per_epoch=128, members=2, device="cpu")
    recipe = Recipe(model=model, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    return train_network(panel, index, recipe)[0]


def run_both(
    bundle: Bundle, arrays: WindowArrays, state: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> tuple[EngineOutput, EngineOutput]:
    parts = TorchEngine(bundle).run(arrays, state)
    monkeypatch.setattr(engines, "PART_SIZE", 10**9)
    return parts, TorchEngine(bundle).run(arrays, state)


@pytest.mark.parametrize("count", [1, 100, 128, 384, 500])
def test_parts_give_the_bytes_of_the_whole_batch(
    bundle: Bundle, waves: tuple[Panel, WindowIndex], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, index = waves
    series, position = (values[:count] for values in index.of("train"))
    arrays = Predictor(bundle).collator.collate(panel, series, position)
    parts, whole = run_both(bundle, arrays, None, monkeypatch)
    assert parts.state.shape[0] == len(parts.params[0]) == count
    for computed, expected in zip((*parts.params, parts.state), (*whole.params, whole.state), strict=True):
        assert computed.tobytes() == expected.tobytes()


def test_parts_go_on_from_their_own_states(
    bundle: Bundle, waves: tuple[Panel, WindowIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, index = waves
    series, position = (values[:256] for values in index.of("train"))
    arrays = Predictor(bundle).collator.collate(panel, series, position)
    state = TorchEngine(bundle).run(arrays).state
    newest = dataclasses.replace(arrays, past=np.ascontiguousarray(arrays.past[:, -3:]))
    parts, whole = run_both(bundle, newest, state, monkeypatch)
    assert parts.state.tobytes() == whole.state.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(parts.params, whole.params, strict=True))
