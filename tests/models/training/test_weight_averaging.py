"""The moving average of the weights."""

import pytest
import torch

from models.training.weight_averaging import ExponentialMovingAverage


def weight_of(value: float) -> torch.nn.Module:
    model = torch.nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[value]])})
    return model


def test_decay_of_zero_keeps_the_model_itself() -> None:
    model = weight_of(1.0)
    assert ExponentialMovingAverage(model, 0.0).model is model  # type: ignore[arg-type]


def test_early_averages_are_shorter_than_the_decay() -> None:
    model = weight_of(0.0)
    average = ExponentialMovingAverage(model, 0.25)  # type: ignore[arg-type]
    means = []
    for _ in range(3):
        model.load_state_dict({"weight": torch.tensor([[1.0]])})
        average.update()
        means.append(average.model.get_parameter("weight").item())
    # decays 2/11, 3/12 and then 1/4, the given decay
    assert means == pytest.approx([1 - 2 / 11, 1 - 2 / 11 / 4, 1 - 2 / 11 / 16])


def test_reset_sets_the_model_and_its_average() -> None:
    model = weight_of(float("nan"))
    average = ExponentialMovingAverage(model, 0.9)  # type: ignore[arg-type]
    average.update()
    average.reset({"weight": torch.tensor([[2.0]])})
    average.update()
    assert average.model.get_parameter("weight").item() == 2.0
    assert model.get_parameter("weight").item() == 2.0
