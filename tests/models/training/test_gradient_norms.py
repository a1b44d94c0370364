"""How strongly training pulls at each layer."""

import pytest
import torch

from models.training.gradient_norms import GradientNorms, layer_name


@pytest.mark.parametrize(
    ("parameter", "group"),
    [
        ("encoder.weight_ih_l0", "encoder.l0"),
        ("encoder.bias_hh_l1_reverse", "encoder.l1"),
        ("encoder.rnn.weight_hh_l12", "encoder.l12"),
        ("decoder.2.bias", "decoder"),
        ("skip.weight", "skip"),
        ("statics.0.weight", "statics"),
    ],
)
def test_a_parameter_belongs_to_its_layer(parameter: str, group: str) -> None:
    assert layer_name(parameter) == group


def two_layers() -> torch.nn.Module:
    model = torch.nn.ModuleDict({"enter": torch.nn.Linear(2, 1), "leave": torch.nn.Linear(1, 1, bias=False)})
    model["enter"].weight.grad = torch.tensor([[3.0, 0.0]])
    model["enter"].bias.grad = torch.tensor([4.0])
    model["leave"].weight.grad = torch.tensor([[12.0]])
    return model


def test_norms_are_those_before_clipping_and_gradients_those_after() -> None:
    model = two_layers()
    gradients = GradientNorms(model)  # type: ignore[arg-type]
    gradients.clip(1.3)
    assert gradients.pop_means() == {"enter": 5.0, "leave": 12.0}
    assert model["enter"].bias.grad.item() == pytest.approx(0.4)  # 13 in all, so a tenth of each
    assert model["leave"].weight.grad.item() == pytest.approx(1.2)


def test_small_gradients_are_left_alone() -> None:
    model = two_layers()
    GradientNorms(model).clip(100.0)  # type: ignore[arg-type]
    assert model["leave"].weight.grad.item() == 12.0


def test_an_epoch_is_the_mean_of_its_steps_and_the_next_begins_anew() -> None:
    model = two_layers()
    gradients = GradientNorms(model)  # type: ignore[arg-type]
    for size in (12.0, 6.0):
        model["leave"].weight.grad = torch.tensor([[size]])
        gradients.clip(1e9)
    assert gradients.pop_means()["leave"] == 9.0
    model["leave"].weight.grad = torch.tensor([[1.0]])
    gradients.clip(1e9)
    assert gradients.pop_means()["leave"] == 1.0


def test_a_layer_without_gradient_pulls_at_nothing() -> None:
    model = two_layers()
    model["leave"].weight.grad = None
    gradients = GradientNorms(model)  # type: ignore[arg-type]
    gradients.clip(1.0)
    assert gradients.pop_means() == {"enter": 5.0, "leave": 0.0}


def test_an_overflow_is_the_largest_float_and_no_infinity() -> None:
    model = two_layers()
    model["leave"].weight.grad = torch.tensor([[torch.inf]])
    gradients = GradientNorms(model)  # type: ignore[arg-type]
    gradients.clip(1.0)
    assert gradients.pop_means()["leave"] == torch.finfo(torch.float32).max
