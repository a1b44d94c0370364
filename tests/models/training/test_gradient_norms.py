"""Gradient norms are recorded by layer before clipping."""

import pytest
import torch

from models.training.gradient_norms import GradientNorms, layer_name


@pytest.mark.parametrize(
    ("parameter", "layer"),
    [
        ("encoder.weight_ih_l0", "encoder.l0"),
        ("encoder.bias_hh_l1_reverse", "encoder.l1"),
        ("encoder.rnn.weight_hh_l12", "encoder.l12"),
        ("decoder.2.bias", "decoder"),
        ("skip.weight", "skip"),
        ("statics.0.weight", "statics"),
    ],
)
def test_layer_name_of_a_parameter(parameter: str, layer: str) -> None:
    assert layer_name(parameter) == layer


def two_layers() -> torch.nn.Module:
    model = torch.nn.ModuleDict({"enter": torch.nn.Linear(2, 1), "leave": torch.nn.Linear(1, 1, bias=False)})
    model["enter"].weight.grad = torch.tensor([[3.0, 0.0]])
    model["enter"].bias.grad = torch.tensor([4.0])
    model["leave"].weight.grad = torch.tensor([[12.0]])
    return model


def test_norms_are_recorded_before_gradients_are_clipped() -> None:
    model = two_layers()
    norms = GradientNorms(model)  # type: ignore[arg-type]
    norms.clip(1.3)
    assert norms.pop_means() == {"enter": 5.0, "leave": 12.0}
    assert model["enter"].bias.grad.item() == pytest.approx(0.4)  # the common norm is 13, so each is divided by ten
    assert model["leave"].weight.grad.item() == pytest.approx(1.2)


def test_small_gradients_are_not_clipped() -> None:
    model = two_layers()
    GradientNorms(model).clip(100.0)  # type: ignore[arg-type]
    assert model["leave"].weight.grad.item() == 12.0


def test_means_cover_the_steps_since_the_last_call() -> None:
    model = two_layers()
    norms = GradientNorms(model)  # type: ignore[arg-type]
    for size in (12.0, 6.0):
        model["leave"].weight.grad = torch.tensor([[size]])
        norms.clip(1e9)
    assert norms.pop_means()["leave"] == 9.0
    model["leave"].weight.grad = torch.tensor([[1.0]])
    norms.clip(1e9)
    assert norms.pop_means()["leave"] == 1.0


def test_layer_without_gradient_has_norm_zero() -> None:
    model = two_layers()
    model["leave"].weight.grad = None
    norms = GradientNorms(model)  # type: ignore[arg-type]
    norms.clip(1.0)
    assert norms.pop_means() == {"enter": 5.0, "leave": 0.0}


def test_overflow_counts_as_the_largest_float32() -> None:
    model = two_layers()
    model["leave"].weight.grad = torch.tensor([[torch.inf]])
    norms = GradientNorms(model)  # type: ignore[arg-type]
    norms.clip(1.0)
    assert norms.pop_means()["leave"] == torch.finfo(torch.float32).max
