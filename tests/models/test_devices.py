"""The device of training, its determinism, and the state that is restored afterwards."""

import ctypes
import resource
import weakref

import numpy as np
import psutil
import pytest
import torch

from data_contracts.errors import SpecError
from models.data.batches import Batch
from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.devices import (
    DeviceMemoryFull,
    NoSuchDevice,
    is_device_memory_full,
    reproducible,
    resolve_device,
    run_on_device,
)
from models.networks.architecture import RecurrentSpec
from models.restore import restore_collator, restore_network
from models.training.precision import (
    PrecisionNotSupported,
    autocast,
    require_hardware,
    resolve_precision,
    supports_bfloat16,
)
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
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


def test_memory_that_work_frees_on_a_cpu_is_used_again_and_given_back_afterwards() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("needs glibc, whose heap has options")
    values, pages = 2**24, 2**24 * 4 // resource.getpagesize()

    def page_faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(values)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    def work() -> list[int]:
        return [page_faults() for _ in range(20)]

    assert min(work()) > 0
    _, *later = run_on_device(CPU, "gru-8", work)
    resident = psutil.Process().memory_info().rss
    assert np.median(later) < pages / 50  # a heap with holes is touched once in each
    run_on_device(CPU, "gru-8", lambda: torch.ones(values))
    assert psutil.Process().memory_info().rss < resident + 2**24


@pytest.mark.parametrize(("precision", "inside"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_have_the_precision_of_the_spec(precision, inside: torch.dtype) -> None:
    ones = torch.ones(2, 2)
    with autocast(precision, CPU):
        assert (ones @ ones).dtype == inside
    assert (ones @ ones).dtype == torch.float32


def test_auto_is_bfloat16_if_the_machine_multiplies_it() -> None:
    with autocast("auto", CPU):
        assert ((torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16) == supports_bfloat16(CPU)


def on_cpu(monkeypatch: pytest.MonkeyPatch, **capabilities: object) -> None:
    """Let this machine have a CPU with these instruction sets and no CUDA device."""
    monkeypatch.setattr("models.training.precision._capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_is_float32_on_cuda_and_bfloat16_on_a_cpu_that_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu(monkeypatch, avx512_bf16=True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    assert [resolve_precision("auto", device) for device in (CUDA, CPU)] == ["float32", "bfloat16"]
    assert [resolve_precision("bfloat16", device) for device in (CUDA, CPU)] == ["bfloat16", "bfloat16"]


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16", "bf16", "sve_bf16"])
def test_bfloat16_is_accepted_on_each_cpu_that_multiplies_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    on_cpu(monkeypatch, **{"avx512_bf16": False, name: True})
    require_hardware(TrainingSpec(precision="bfloat16"))


def test_bfloat16_is_refused_on_a_cpu_without_it_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, waves: tuple[Panel, WindowIndex]
) -> None:
    on_cpu(monkeypatch, cpu_name="AMD EPYC 7713", avx512_bf16=False, avx2=True)
    expected = r"training\.precision is bfloat16, but the CPU .*\(AMD EPYC 7713\).*`precision: auto`.*float32`\.$"
    with pytest.raises(PrecisionNotSupported, match=expected) as error:
        require_hardware(TrainingSpec(precision="bfloat16"))
    assert error.value.exit_code == 2
    panel, index = waves
    training = TrainingSpec(precision="bfloat16", device="cpu")
    with pytest.raises(PrecisionNotSupported):  # also a training that no command checked before
        train_network(panel, index, Recipe(model=SMALL, training=training, quantiles=(0.1, 0.9), view=panel.view))
    for precision in ("auto", "float32"):
        require_hardware(TrainingSpec(precision=precision))
        assert resolve_precision(precision, CPU) == "float32"


def test_bfloat16_is_refused_on_a_card_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100")
    with pytest.raises(PrecisionNotSupported, match=r"the card of this machine \(Tesla V100\)"):
        resolve_precision("bfloat16", CUDA)


def test_bundle_records_the_device_and_precision_of_auto(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=1, windows_per_epoch=128, device="auto", precision="auto")
    recipe = Recipe(model=SMALL, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    bundle, _ = train_network(panel, index, recipe)
    device = resolve_device("auto")
    assert bundle.recurrent.trained_on == (device.type, resolve_precision("auto", device))


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


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_full_device_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert is_device_memory_full(error, CUDA) == expected
    assert not is_device_memory_full(error, CPU)


def test_full_device_memory_fails_the_model_and_keeps_none_of_its_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 2**33))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "card")
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    kept: list[weakref.ref[torch.Tensor]] = []

    def fill() -> None:
        tensor = torch.zeros(1)
        kept.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(
        DeviceMemoryFull, match=r"'gru-8' could not .*full \(card, 8.0 GiB, of which 1.0 are.*device: cpu"
    ):
        run_on_device(CUDA, "gru-8", fill)
    assert kept[0]() is None


def test_device_too_full_to_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    for name in ("mem_get_info", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, refuse)
    with pytest.raises(DeviceMemoryFull, match="too little of it for CUDA to start"):
        run_on_device(CUDA, "gru-8", refuse)


def test_other_errors_of_the_work_are_not_translated() -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        run_on_device(CUDA, "gru-8", fail)


@with_cuda
def test_network_that_does_not_fit_the_device_fails_alone_and_leaves_it_free(waves: tuple[Panel, WindowIndex]) -> None:
    panel, index = waves
    training = TrainingSpec(max_epochs=1, windows_per_epoch=256, device="cuda")
    small = Recipe(model=SMALL, training=training, quantiles=(0.1, 0.5, 0.9), view=panel.view)
    wide = small.model_copy(update={"model": SMALL.model_copy(update={"hidden": 4096})})
    before = torch.cuda.memory_allocated()
    torch.cuda.set_per_process_memory_fraction(2**28 / torch.cuda.mem_get_info()[1])  # 256 MiB
    try:
        with pytest.raises(DeviceMemoryFull, match=r"memory of the CUDA device is full \(.*GiB.*device: cpu"):
            train_network(panel, index, wide)
        train_network(panel, index, small)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert torch.cuda.memory_allocated() - before < 2**27  # the workspaces of cuBLAS stay, 65 MiB on an H100


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
    with torch.no_grad(), reproducible(0, 1, CUDA):  # without TF32
        on_cpu = network.eval()(batch)
        on_cuda = network.to("cuda")(batch.to(CUDA)).cpu()
    torch.testing.assert_close(on_cuda, on_cpu, rtol=0, atol=1e-5)
