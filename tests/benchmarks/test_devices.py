"""Prints figures, asserts nothing: training and forecasting on this machine's CUDA device and on its CPU.

Steps of CPU and CUDA alternate in one run, each timed to its end. Forecasts of the same weights
are compared in normalised units. Kernels are the deterministic ones that a night uses.
"""

import statistics
import time

import pytest
import torch

from models.devices import reproducible
from models.networks.architecture import NetworkShape, RecurrentSpec
from models.networks.recurrent import RecurrentNetwork
from models.training.gradient_norms import GradientNorms
from tests.benchmarks.test_precision import CPU, QUANTILES, SIZES, batch_of, build_step

pytestmark = pytest.mark.benchmark
MAX_SECONDS = 6.0  # of alternating steps for one row of the table


def network_on(device: torch.device, spec: RecurrentSpec, lookback: int) -> RecurrentNetwork:
    torch.manual_seed(0)
    shape = NetworkShape(
        lookback=lookback, horizon=24, past=12, future=12, statics=(), quantiles=QUANTILES, season=24
    )  # fmt: skip
    return RecurrentNetwork(spec, shape).to(device)


def seconds_of(work, device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def medians_alternating(works: dict) -> dict:
    times: dict[str, list[float]] = {name: [] for name in works}
    until = time.perf_counter() + MAX_SECONDS
    while time.perf_counter() < until or len(times[next(iter(times))]) < 4:
        for name, (work, device) in works.items():
            times[name].append(seconds_of(work, device))
    return {name: statistics.median(durations[1:]) for name, durations in times.items()}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("windows", [128, 1024])
def test_cuda_beside_cpu(cell, windows, capsys):
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    cuda = torch.device("cuda")
    lines = [f"\n{torch.cuda.get_device_name()} beside {torch.get_num_threads()} CPU threads, batches of {windows}"]
    for hidden, layers, segment, lookback in SIZES:
        spec = RecurrentSpec(cell=cell, hidden=hidden, layers=layers, segment=segment)
        batch = batch_of(lookback, windows)
        on_cuda = batch.to(cuda)
        with reproducible(0, torch.get_num_threads(), cuda):
            nets = {device: network_on(device, spec, lookback) for device in (CPU, cuda)}
            for network in nets.values():
                network.eval()  # dropout differs between devices
            with torch.no_grad():
                difference = (nets[CPU](batch) - nets[cuda](on_cuda).cpu()).abs().max().item()
                inference = medians_alternating(
                    {
                        "cpu": (lambda n=nets[CPU], b=batch: n(b), CPU),
                        "cuda": (lambda n=nets[cuda], b=on_cuda: n(b), cuda),
                    }
                )
            for network in nets.values():
                network.train()
            steps = {"cpu": (build_step(nets[CPU], batch, "float32", GradientNorms(nets[CPU])), CPU)}
            for precision in ("float32", "bfloat16"):
                steps[precision] = (build_step(nets[cuda], on_cuda, precision, GradientNorms(nets[cuda]), cuda), cuda)
            training = medians_alternating(steps)
        gain = {name: training["cpu"] / training[name] for name in ("float32", "bfloat16")}
        rate, faster = windows / training["float32"], inference["cpu"] / inference["cuda"]
        lines.append(
            f"{spec.name:14s} lookback {lookback:3d}  training ×{gain['float32']:5.1f}"
            f" (bfloat16 ×{gain['bfloat16']:5.1f}), {rate:9,.0f} windows/s"
            f"  forecast ×{faster:5.1f}, difference {difference:.1e}"
        )
    with capsys.disabled():
        print("\n".join(lines))
