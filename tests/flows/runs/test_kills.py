"""Promise 3: a run killed anywhere and run again ends as if it had never been killed."""

import os
import signal
import subprocess
import sys

import pytest

from flows.nightly import nightly

NIGHT = "2024-02-08"
STEPS = {
    "ingestion": "ingest",
    "validation": "validate",
    "windowing": "cut_windows",
    "training": "train",
    "evaluation": "evaluate",
    "registration": "register",
    "forecasting": "forecast",
    "attribution": "attribute_revision",
    "accuracy": "score_past",
    "anomalies": "find_anomalies",
    "drift": "watch_drift",
    "reporting": "report",
}

# The step does its work, and the process dies before the step can remember that it did.
KILLER = """
import importlib, os, signal, sys
step = getattr(importlib.import_module(f"tasks.{sys.argv[1]}"), sys.argv[2])
work = step.fn
def killed(**inputs):
    work(**inputs)
    os.kill(os.getpid(), signal.SIGKILL)
step.fn = killed
from flows.nightly import nightly
nightly(sys.argv[3], sys.argv[4])
"""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


def killed_in(file, step, folder):
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value(), "NIGHTCAST_STORE": str(folder / "store")}
    words = [sys.executable, "-c", KILLER, file, step, str(folder / "ports.yaml"), NIGHT]
    return subprocess.run(words, env=environment, capture_output=True, check=False, timeout=120).returncode


def lasting(store):
    """Bytes of what a night leaves, except the manifest, which contains times, and the registry's database."""
    kept = (
        "artifacts",
        "forecasts",
        "latest",
        "decisions",
        "quarantine",
        "reports",
        "actuals",
        "accuracy",
        "anomalies",
    )
    return {
        str(path.relative_to(store)): path.read_bytes()
        for kind in kept
        for path in sorted((store / kind).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, panel, build, prefect_server):
    with pytest.MonkeyPatch.context() as patch:
        folder = build(tmp_path_factory.mktemp("calm"), panel, patch)
        nightly(str(folder / "ports.yaml"), NIGHT)
        return lasting(folder / "store")


@pytest.mark.parametrize(("file", "step"), STEPS.items(), ids=STEPS.values())
def test_night_killed_in_a_step_ends_as_if_never_killed(file, step, world, undisturbed):
    assert killed_in(file, step, world) == -signal.SIGKILL
    nightly(str(world / "ports.yaml"), NIGHT)
    assert lasting(world / "store") == undisturbed
