"""Step 4: one network per recipe, trained from scratch or from the champion before this night."""

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from models.bundle import Bundle
from models.golden import GoldenForecastDiffers
from models.networks.architecture import RecurrentSpec
from models.training.fit import EpochReport
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.training_data import training_cache_key
from tasks.registry.champion_repair import champion_fault
from tasks.results.steps import TrainingResult
from tasks.training import format_time_left, train

QUICK = {"max_epochs": 2, "windows_per_epoch": 256, "validation_windows": 128, "device": "cpu"}


def recipe(forecast_setup: Any, start: str = "scratch", **training: Any) -> Recipe:
    spec = TrainingSpec.model_validate(QUICK | {"start": start} | training)
    model = RecurrentSpec(cell="gru", hidden=8, segment=6)
    return Recipe(model=model, training=spec, quantiles=forecast_setup.bounds.quantiles, view=forecast_setup.view)


def run(prepared: Any, recipe: Recipe, incumbent: Candidate | None = None) -> TrainingResult:
    return train.fn(prepared.clean, prepared.windows, recipe, incumbent, prepared.store)


def key(prepared: Any, recipe: Recipe, incumbent: Candidate | None) -> object:
    return training_cache_key(prepared.clean, prepared.windows, recipe, incumbent, prepared.store)


def as_champion(trained: TrainingResult) -> Candidate:
    return trained.candidate.model_copy(update={"role": "champion", "version": "1"})


def test_result_has_losses_and_gradients_by_epoch(prepared, forecast_setup) -> None:
    done = run(prepared, recipe(forecast_setup))
    assert len(done.train_losses) == len(done.validation_losses) == 2
    assert {len(norms) for norms in done.gradients.values()} == {2}
    assert "encoder.l0" in done.gradients
    assert TrainingResult.model_validate_json(done.model_dump_json()) == done


def test_trained_model_replays_its_golden_forecast_when_it_is_loaded(prepared, forecast_setup) -> None:
    candidate, store = run(prepared, recipe(forecast_setup)).candidate, prepared.store
    bundle = load_bundle(candidate, store)
    weights = {name: value + np.float32(0.5) for name, value in bundle.tensors.items() if "weight" in name}
    other = dataclasses.replace(bundle, tensors=bundle.tensors | weights)
    changed = candidate.model_copy(update={"bundle": store.put_bytes(other.to_bytes(), "bundle", "safetensors")})
    with pytest.raises(GoldenForecastDiffers, match="does not reproduce its golden forecast"):
        load_bundle(changed, store)
    assert "does not reproduce its golden forecast" in champion_fault(changed, store)
    assert champion_fault(changed, store, is_replayed=True) == ""  # by a run under the same conditions


def fill_card_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first network that is trained find the memory of a CUDA device full."""
    from models.devices import DeviceMemoryFull, run_on_device
    from models.training import train_network

    calls = []

    def run_or_fail(device: Any, model: str, work: Any) -> Any:
        calls.append(model)
        if len(calls) == 1:
            raise DeviceMemoryFull(model, torch.device("cuda"))
        return run_on_device(device, model, work)

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 2**33))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "card")
    monkeypatch.setattr(train_network, "run_on_device", run_or_fail)


def test_full_card_is_left_for_the_cpu_if_the_device_is_auto(
    prepared, forecast_setup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run(prepared, recipe(forecast_setup, device="cpu"))
    fill_card_once(monkeypatch)
    done = run(prepared, recipe(forecast_setup, device="auto"))
    assert done.candidate.bundle == expected.candidate.bundle
    assert done.note.startswith(
        "trained on the CPU: the memory of the CUDA device is full (card, 8.0 GiB, of which 1.0 are"
    )
    assert "network gru-8-s6 is trained on the CPU, which takes longer" in caplog.text


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_full_card_fails_the_training_if_the_device_is_named(
    prepared, forecast_setup, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    from models.devices import DeviceMemoryFull

    fill_card_once(monkeypatch)
    monkeypatch.setattr("models.training.train_network.resolve_device", lambda _: torch.device("cpu"))
    with pytest.raises(DeviceMemoryFull, match="train on the CPU with `device: cpu`"):
        run(prepared, recipe(forecast_setup, device=device))


def test_training_starts_from_the_champion_only_if_the_spec_asks(prepared, forecast_setup) -> None:
    champion = as_champion(run(prepared, recipe(forecast_setup)))
    cold, none = (run(prepared, recipe(forecast_setup), incumbent) for incumbent in (champion, None))
    warm = run(prepared, recipe(forecast_setup, "champion", learning_rate=1e-12), champion)
    assert cold.candidate == none.candidate
    assert (cold.note, warm.note.split(";")[0]) == ("", "began with the champion's weights")
    old, new = load_bundle(champion, prepared.store), load_bundle(warm.candidate, prepared.store)
    assert (old.tensors["net.skip.weight"] == new.tensors["net.skip.weight"]).all()


@pytest.mark.parametrize(
    ("other", "reason"), [(None, "no champion yet"), ("lstm-64", "another kind"), ("damaged", "bundle is damaged")]
)
def test_missing_or_unusable_champion_means_start_from_scratch_with_reason(
    prepared, forecast_setup, other, reason
) -> None:
    champion = as_champion(run(prepared, recipe(forecast_setup)))
    if other == "damaged":
        path = Path(prepared.store.root) / champion.bundle.uri
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1])
    elif other:
        champion = champion.model_copy(update={"name": other})
    done = run(prepared, recipe(forecast_setup, "champion"), champion if other else None)
    assert done.note.startswith("began from scratch: ")
    assert reason in done.note
    fresh = load_bundle(run(prepared, recipe(forecast_setup)).candidate, prepared.store)
    warm = load_bundle(done.candidate, prepared.store)
    assert all((warm.tensors[name] == weights).all() for name, weights in fresh.tensors.items())


def test_cache_key_depends_on_the_champion_only_if_training_starts_from_it(prepared, forecast_setup) -> None:
    first = as_champion(run(prepared, recipe(forecast_setup)))
    second = as_champion(run(prepared, recipe(forecast_setup, seed=1)))
    promoted = first.model_copy(update={"version": "2"})
    scratch, warm = recipe(forecast_setup), recipe(forecast_setup, "champion")
    assert key(prepared, scratch, first) == key(prepared, scratch, second) == key(prepared, scratch, None)
    assert len({str(key(prepared, warm, champion)) for champion in (first, second, None)}) == 3
    assert key(prepared, warm, first) == key(prepared, warm, promoted)


def test_champion_of_another_kind_does_not_change_the_cache_key(prepared, forecast_setup) -> None:
    first, second = (as_champion(run(prepared, recipe(forecast_setup, seed=seed))) for seed in (0, 1))
    warm = recipe(forecast_setup, "champion")
    champion, other = (champion.model_copy(update={"name": "lstm-64"}) for champion in (first, second))
    assert key(prepared, warm, champion) == key(prepared, warm, other)


@pytest.mark.parametrize(
    ("left", "text"),
    [((0.0, 0.0), "0:00 left"), ((12.3, 220.9), "0:12 to 3:40 left"), ((65.0, 65.4), "1:05 left")],
)
def test_time_left_is_formatted_as_a_range(left: tuple[float, float], text: str) -> None:
    assert format_time_left(EpochReport(1, 9, 0.5, 0.5, 1.0, left)) == text


# The training step in a process of its own, on tables of a store; the process is killed at an optimiser step.
STEP = """
import os, signal, sys
sys.path.insert(0, ".")
import torch
from data_contracts.artifact import Artifact
from models.training.optimiser import EagerAdamW
from models.training.recipe import Recipe
from tasks.storage.store import Store
from tasks.training import train
step, taken, dies_at = EagerAdamW.step, [], int(sys.argv[5])
def watched(*args, **kwargs):
    taken.append(1)
    if len(taken) == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*args, **kwargs)
EagerAdamW.step = watched
clean, windows = (Artifact.model_validate_json(text) for text in sys.argv[1:3])
print(train.fn(clean, windows, Recipe.model_validate_json(sys.argv[3]), None, Store(root=sys.argv[4])).candidate.name)
"""


def train_in_process(prepared: Any, recipe: Recipe, dies_at: int = 0) -> int:
    arguments = [value.model_dump_json() for value in (prepared.clean, prepared.windows, recipe)]
    command = [sys.executable, "-c", STEP, *arguments, prepared.store.root, str(dies_at)]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, env=dict(os.environ), capture_output=True, check=False).returncode


def files(store: Any) -> dict[str, str]:
    root = Path(store.root)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_killed_training_leaves_nothing_and_a_rerun_gives_the_same_weights(prepared, forecast_setup) -> None:
    before = files(prepared.store)
    settings = recipe(forecast_setup)
    assert train_in_process(prepared, settings, dies_at=3) == -signal.SIGKILL
    assert files(prepared.store) == before
    assert train_in_process(prepared, settings) == 0
    again = files(prepared.store)
    assert len(again) == len(before) + 1
    undisturbed = run(prepared, settings)
    assert files(prepared.store) == again
    assert again[undisturbed.candidate.bundle.uri] == undisturbed.candidate.bundle.digest
    assert isinstance(load_bundle(undisturbed.candidate, prepared.store), Bundle)


def test_network_of_two_workers_is_reproducible(prepared, forecast_setup) -> None:
    first, again = (run(prepared, recipe(forecast_setup, workers=2)) for _ in range(2))
    assert first.candidate.bundle == again.candidate.bundle
    assert first.candidate.bundle != run(prepared, recipe(forecast_setup)).candidate.bundle  # another dropout


def test_network_whose_worker_is_killed_is_trained_by_one_process(prepared, forecast_setup, caplog) -> None:
    slow = recipe(forecast_setup, workers=2, max_epochs=40, patience=40, windows_per_epoch=4096)
    alone = slow.model_copy(update={"training": slow.training.model_copy(update={"workers": 1})})
    killer = threading.Thread(target=kill_step_process)
    killer.start()
    lost = load_bundle(run(prepared, slow).candidate, prepared.store)
    killer.join()
    assert "is trained by this process alone" in caplog.text
    expected = load_bundle(run(prepared, alone).candidate, prepared.store)
    assert all(np.array_equal(lost.tensors[name], values) for name, values in expected.tensors.items())


def kill_step_process() -> None:
    """Kill the first process of a step that has loaded torch, seconds after it has."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process().children():
            if "tasks.engine.step_process" in " ".join(child.cmdline()) and child.num_threads() > 3:
                time.sleep(1)
                child.kill()
                return
        time.sleep(0.05)
