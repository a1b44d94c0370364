"""A loaded model proves itself: it replays the forecast that it gave when it was trained."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.golden import GoldenForecastDiffers, check_golden_forecast, with_golden_forecast

FORMATS = Path(__file__).parents[1] / "formats"


def stored(name: str) -> Bundle:
    return Bundle.from_bytes((FORMATS / name).read_bytes())


@pytest.fixture(scope="module")
def golden() -> Bundle:
    return with_golden_forecast(stored("bundle_recurrent.safetensors"))


def changed(bundle: Bundle, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Bundle:
    return dataclasses.replace(bundle, tensors=bundle.tensors | {name: change(bundle.tensors[name])})


def test_golden_forecast_survives_the_round_trip(golden: Bundle) -> None:
    back = Bundle.from_bytes(golden.to_bytes())
    check_golden_forecast(back)
    assert back.to_bytes() == golden.to_bytes()
    assert back.tensors["golden.quantiles"].shape == (2, golden.horizon, len(golden.levels))
    assert len(golden.to_bytes()) - len(stored("bundle_recurrent.safetensors").to_bytes()) < 10_000


def test_same_bundle_gives_the_same_golden_forecast(golden: Bundle) -> None:
    assert with_golden_forecast(stored("bundle_recurrent.safetensors")).to_bytes() == golden.to_bytes()


@pytest.mark.parametrize("name", ["bundle_recurrent.safetensors", "bundle_linear.safetensors"])
def test_bundle_without_a_golden_forecast_is_accepted(name: str) -> None:
    check_golden_forecast(stored(name))


def weight_names() -> list[str]:
    return [name for name in stored("bundle_recurrent.safetensors").tensors if name.startswith(("net.", "scaling."))]


@pytest.mark.parametrize("part", ["net.encoder.weight_ih_l0", "net1.encoder.weight_ih_l0", "net.readout.join.weight"])
def test_changed_weights_are_noticed(golden: Bundle, part: str) -> None:
    with pytest.raises(GoldenForecastDiffers, match=r"is .* instead of"):
        check_golden_forecast(changed(golden, part, lambda weights: -weights))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_noticed(golden: Bundle, value: float) -> None:
    name = next(name for name in weight_names() if golden.tensors[name].ndim == 2)
    with pytest.raises(GoldenForecastDiffers):
        check_golden_forecast(changed(golden, name, lambda weights: np.full_like(weights, value)))


def test_weights_of_another_shape_are_noticed(golden: Bundle) -> None:
    name = next(name for name in weight_names() if golden.tensors[name].ndim == 2)
    with pytest.raises(GoldenForecastDiffers, match="Error: "):
        check_golden_forecast(changed(golden, name, lambda weights: weights[:-1]))


def test_difference_of_another_machine_is_tolerated(golden: Bundle) -> None:
    check_golden_forecast(changed(golden, "golden.quantiles", lambda values: values * (1 + 1e-6)))


def test_network_without_a_finite_forecast_has_no_golden_forecast() -> None:
    broken = stored("bundle_recurrent.safetensors")
    name = next(name for name in broken.tensors if name.startswith("net."))
    broken = changed(broken, name, lambda weights: np.full_like(weights, np.nan))
    assert with_golden_forecast(broken) is broken
