"""The moving average of the weights."""

import pytest
import torch

from models.training.weight_averaging import ExponentialMovingAverage


def weight_of(value: float) -> torch.nn.Module:
    model = torch.nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[value]])})
    return model


def test_without_an_average_the_model_itself_is_kept() -> None:
    model = weight_of(1.0)
    assert ExponentialMovingAverage(model, 0.0).model is model  # type: ignore[arg-type]


def test_the_average_is_short_at_first_and_never_longer_than_asked_for() -> None:
    model = weight_of(0.0)
    averaged = ExponentialMovingAverage(model, 0.25)  # type: ignore[arg-type]
    found = []
    for _ in range(3):
        model.load_state_dict({"weight": torch.tensor([[1.0]])})
        averaged.update()
        found.append(averaged.model.get_parameter("weight").item())
    # decays 2/11, 3/12, and then the quarter that was asked for
    assert found == pytest.approx([1 - 2 / 11, 1 - 2 / 11 / 4, 1 - 2 / 11 / 16])


def test_a_restart_forgets_the_way() -> None:
    model = weight_of(float("nan"))
    averaged = ExponentialMovingAverage(model, 0.9)  # type: ignore[arg-type]
    averaged.update()
    averaged.reset({"weight": torch.tensor([[2.0]])})
    averaged.update()
    assert averaged.model.get_parameter("weight").item() == 2.0
    assert model.get_parameter("weight").item() == 2.0
