"""Where training computes, and what comes back as it was."""

import pytest
import torch

from data_contracts.errors import SpecError
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.devices import NoSuchDevice, device_of, same_numbers
from models.networks.recurrent import RecurrentSpec
from models.training.fit import TrainingSpec
from models.training.precision import lowered, multiplies_bfloat16
from models.training.recipe import Recipe
from models.training.train_network import train_network

CPU = torch.device("cpu")
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
with_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
SMALL = RecurrentSpec(cell="gru", hidden=8, segment=6)


@without_cuda
def test_asking_for_cuda_where_there_is_none_says_so_and_the_way_out() -> None:
    with pytest.raises(NoSuchDevice, match=r"training\.device is cuda.*device: auto") as error:
        device_of("cuda")
    assert isinstance(error.value, SpecError)
    assert error.value.exit_code == 2


@without_cuda
def test_auto_takes_what_there_is() -> None:
    assert device_of("auto") == CPU


def test_the_cpu_is_always_there() -> None:
    assert device_of("cpu") == CPU


@pytest.mark.parametrize(("precision", "inside"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_are_as_precise_as_asked_for(precision, inside: torch.dtype) -> None:
    ones = torch.ones(2, 2)
    with lowered(precision, CPU):
        assert (ones @ ones).dtype == inside
    assert (ones @ ones).dtype == torch.float32


def test_auto_lowers_where_the_machine_multiplies_bfloat16_itself() -> None:
    with lowered("auto", CPU):
        assert ((torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16) == multiplies_bfloat16(CPU)


def test_a_bundle_tells_what_auto_meant(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=1, windows_per_epoch=128, device="auto", precision="auto")
    recipe = Recipe(model=SMALL, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    bundle, _ = train_network(panel, index, recipe)
    there = device_of("auto")
    assert bundle.recurrent.trained_on == (there.type, "bfloat16" if multiplies_bfloat16(there) else "float32")


def test_the_same_seed_draws_the_same_and_the_caller_draws_on() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    drawn = [torch.rand(1)]
    inside = []
    for _ in range(2):
        with same_numbers(5, 1, CPU):
            inside.append(torch.rand(1))
    drawn.append(torch.rand(1))
    assert torch.equal(torch.cat(drawn), expected)
    assert torch.equal(*inside)


@with_cuda
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_same_seed_gives_the_same_bytes_on_cuda(waves: tuple[Panel, WindowIndex], cell) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=2, windows_per_epoch=512, device="cuda", precision="auto")
    model = SMALL.model_copy(update={"cell": cell})
    recipe = Recipe(model=model, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    first, again = (train_network(panel, index, recipe)[0].to_bytes() for _ in range(2))
    assert first == again
