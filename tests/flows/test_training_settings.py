"""Training settings in a whole night: a missing device, and a warm start from the champion."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from data_contracts.errors import SpecError
from deployments.commands.check import check_pipeline
from flows.nightly import nightly
from flows.retrain import retrain

FIRST, SECOND = "2024-02-08", "2024-02-10"

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


def asking_for(world: Path, **training: object) -> str:
    path = world / "ports.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["training"] |= training
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return str(path)


def story(world: Path, outcome) -> dict:
    return json.loads((world / "store" / outcome.manifest).read_text())["story"]


@without_cuda
def test_retrain_on_a_missing_device_is_refused_before_reading(world):
    with pytest.raises(SpecError, match="device: auto") as error:
        retrain.fn(asking_for(world, device="cuda"), FIRST)
    assert error.value.exit_code == 2
    assert not (world / "store" / "artifacts" / "raw").exists()


@without_cuda
def test_bfloat16_without_hardware_is_refused_before_reading(world, monkeypatch):
    monkeypatch.setattr("models.training.precision._capabilities", lambda: {"cpu_name": "AMD EPYC 7713"})
    path = asking_for(world, precision="bfloat16", device="cpu")
    with pytest.raises(SpecError, match=r"AMD EPYC 7713.*precision: auto"):
        retrain.fn(path, FIRST)
    with pytest.raises(SpecError, match=r"AMD EPYC 7713.*precision: auto"):
        check_pipeline(path, FIRST)
    assert not (world / "store" / "artifacts" / "raw").exists()


@pytest.mark.slow
@without_cuda
def test_night_without_its_precision_still_forecasts(world, monkeypatch):
    path = asking_for(world)
    first = nightly.fn(path, FIRST)
    monkeypatch.setattr("models.training.precision._capabilities", lambda: {"cpu_name": "AMD EPYC 7713"})
    second = nightly.fn(asking_for(world, precision="bfloat16", device="cpu"), SECOND)
    assert second.published is not None
    assert second.champion == first.champion
    failed = story(world, second)["trained"][0]
    assert (failed["step"], "precision: auto" in failed["reason"]) == ("train", True)


@pytest.mark.slow
@without_cuda
def test_night_without_its_device_still_forecasts(world):
    path = asking_for(world)
    first = nightly.fn(path, FIRST)
    second = nightly.fn(asking_for(world, device="cuda"), SECOND)
    assert second.published is not None
    assert second.champion == first.champion
    failed = story(world, second)["trained"][0]
    assert (failed["step"], "device: auto" in failed["reason"]) == ("train", True)


@pytest.mark.slow
def test_warm_started_night_is_reproducible_after_its_own_promotion(world):
    path = asking_for(world, start="champion")
    first = story(world, nightly.fn(path, FIRST))["trained"][0]
    assert first["note"] == "began from scratch: the pipeline has no champion yet"
    done = nightly.fn(path, SECOND)
    second = story(world, done)["trained"][0]
    assert second["note"].startswith("began with the champion's weights")
    shutil.rmtree(world / "store" / "cache")
    (world / "store" / done.manifest).unlink()
    again = story(world, nightly.fn(path, SECOND))["trained"][0]
    assert again["candidate"]["bundle"] == second["candidate"]["bundle"]
    assert again["note"] == second["note"]


@pytest.mark.slow
def test_short_memory_is_reported_or_refused_and_the_night_continues(world):
    path = asking_for(world)
    spec = yaml.safe_load(Path(path).read_text())
    spec["windowing"]["lookback"] = 12
    Path(path).write_text(yaml.safe_dump(spec), encoding="utf-8")
    warned = nightly.fn(path, FIRST)
    assert warned.verdict == "watch"
    assert "gru-16-s12: it can't see a season back: its lookback of 12 steps" in warned.lines[2]
    assert "its lookback of 12 steps is shorter" in (world / "store" / warned.page).read_text().replace("&#39;", "'")
    refused = nightly.fn(asking_for(world, memory="fail"), SECOND)
    assert refused.published is not None
    assert "is refused" in story(world, refused)["trained"][0]["reason"]
