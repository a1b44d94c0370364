"""The device of training, its determinism, and the state that is restored afterwards."""

import pytest
import torch

from data_contracts.errors import SpecError
from models.data.batches import Batch
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.devices import NoSuchDevice, reproducible, resolve_device
from models.networks.architecture import RecurrentSpec
from models.restore import restore_collator, restore_network
from models.training.precision import autocast, supports_bfloat16
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

CPU = torch.device("cpu")
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
with_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
SMALL = RecurrentSpec(cell="gru", hidden=8, segment=6)


@without_cuda
def test_missing_cuda_is_reported_with_a_remedy() -> None:
    with pytest.raises(NoSuchDevice, match=r"training\.device is cuda.*device: auto") as error:
        resolve_device("cuda")
    assert isinstance(error.value, SpecError)
    assert error.value.exit_code == 2


@without_cuda
def test_auto_is_the_cpu_without_cuda() -> None:
    assert resolve_device("auto") == CPU


def test_cpu_is_always_available() -> None:
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize(("precision", "inside"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_have_the_precision_of_the_spec(precision, inside: torch.dtype) -> None:
    ones = torch.ones(2, 2)
    with autocast(precision, CPU):
        assert (ones @ ones).dtype == inside
    assert (ones @ ones).dtype == torch.float32


def test_auto_is_bfloat16_if_the_machine_multiplies_it() -> None:
    with autocast("auto", CPU):
        assert ((torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16) == supports_bfloat16(CPU)


def test_bundle_records_the_device_and_precision_of_auto(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=1, windows_per_epoch=128, device="auto", precision="auto")
    recipe = Recipe(model=SMALL, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    bundle, _ = train_network(panel, index, recipe)
    device = resolve_device("auto")
    assert bundle.recurrent.trained_on == (device.type, "bfloat16" if supports_bfloat16(device) else "float32")


def test_random_state_is_fixed_inside_and_restored_outside() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    drawn = [torch.rand(1)]
    inside = []
    for _ in range(2):
        with reproducible(5, 1, CPU):
            inside.append(torch.rand(1))
    drawn.append(torch.rand(1))
    assert torch.equal(torch.cat(drawn), expected)
    assert torch.equal(*inside)


@with_cuda
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_same_seed_gives_same_bytes_on_cuda(waves: tuple[Panel, WindowIndex], cell) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=2, windows_per_epoch=512, device="cuda", precision="auto")
    model = SMALL.model_copy(update={"cell": cell})
    recipe = Recipe(model=model, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    first, again = (train_network(panel, index, recipe)[0].to_bytes() for _ in range(2))
    assert first == again


@with_cuda
@pytest.mark.filterwarnings("error:RNN module weights:UserWarning")
def test_averaged_weights_stay_in_the_layout_of_cudnn(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=1, windows_per_epoch=256, device="cuda", average=0.98)
    train_network(panel, index, Recipe(model=SMALL, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view))


@with_cuda
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cuda_and_cpu_forecast_the_same(waves: tuple[Panel, WindowIndex], cell) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=1, windows_per_epoch=256, device="cuda")
    model = SMALL.model_copy(update={"cell": cell})
    recipe = Recipe(model=model, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    bundle, _ = train_network(panel, index, recipe)
    network = restore_network(bundle)
    batch = Batch.from_arrays(restore_collator(bundle).collate(panel, *index.of("forecast")))
    with torch.no_grad(), reproducible(0, 1, torch.device("cuda")):  # without TF32
        on_cpu = network.eval()(batch)
        on_cuda = network.to("cuda")(batch.to(torch.device("cuda"))).cpu()
    torch.testing.assert_close(on_cuda, on_cpu, rtol=0, atol=1e-5)
