"""A signal ends a run with one sentence, an exit code and a record, also if a library swallows the exception."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from data_contracts.errors import RunInterrupted
from flows.runs.interruption import interruption_of
from tests.deployments.conftest import NIGHTCAST, small_world, user_environment

NIGHT = ("nightly", "small", "--as-of", "2024-01-29T03:00Z")


class StubbornLibrary(Exception):
    """What a library raises after it caught the exception of a signal."""


def test_exceptions_of_signals_are_described():
    assert str(RunInterrupted.caused_by(KeyboardInterrupt("SIGTERM"), "during step 'train'")) == (
        "SIGTERM stopped this run during step 'train'. What was published before is complete and unchanged. Run the "
        "same command again: finished steps are taken from the cache."
    )
    assert RunInterrupted.caused_by(KeyboardInterrupt(), "").signal == "SIGINT"
    assert RunInterrupted.caused_by(ValueError("SIGTERM"), "") is None


def test_signal_is_recognised_behind_the_exceptions_of_others():
    error = StubbornLibrary()
    error.__context__ = KeyboardInterrupt("SIGTERM")
    assert interruption_of(error)
    assert interruption_of(StubbornLibrary()) is None


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [NIGHTCAST, *words], cwd=folder, env=user_environment(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, list[psutil.Process]]:
    """Send the signal; return what stderr had after it, and the children that were alive before it."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return errors, children


def record_of(folder: Path) -> dict[str, object]:
    path = folder / "store/runs/pipeline=small/refused-nightly-2024-01-29T030000Z.json"
    return json.loads(path.read_text(encoding="utf-8"))


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the process ended before it printed {text!r}")


def wait_until_handled(pid: int, number: signal.Signals) -> None:
    """Wait until the process has a handler for a signal that Python leaves alone."""
    for _ in range(600):
        caught = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")
        )
        if int(caught.split()[1], 16) >> (number - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} does not handle {number.name}")


def test_temporary_server_ends_with_a_night_that_is_killed(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    night = start(folder, *NIGHT)
    wait_for(night, "ingest")
    children = psutil.Process(night.pid).children(recursive=True)
    assert [child for child in children if "uvicorn" in child.cmdline()]
    night.kill()
    night.communicate(timeout=60)
    assert psutil.wait_procs(children, timeout=30)[1] == []


def test_sigterm_ends_a_night_within_a_step(tmp_path):
    folder = small_world(tmp_path / "world", "small", epochs=400, end="2024-01-31")
    process = start(folder, *NIGHT, "--no-server")
    wait_for(process, "cut_windows")
    time.sleep(1)  # the step has ended, and 400 epochs begin
    errors, _ = stop(process, signal.SIGTERM)
    assert process.returncode == 1
    sentence, page = errors.splitlines()[-2:]
    assert sentence.startswith("error: SIGTERM stopped this run during step 'train'. What was published")
    assert page.startswith("The page of this night: ")
    assert (folder / page.removeprefix("The page of this night: ")).is_file()
    assert "Traceback" not in errors
    record = record_of(folder)
    assert (record["outcome"], record["error"], record["exit_code"]) == ("failed", "RunInterrupted", 1)
    assert [step["step"] for step in record["steps"]] == ["ingest", "validate", "list_revisions", "cut_windows"]
    assert not list((folder / "store/leases/pipeline=small").glob("*.json"))


def test_sigint_before_the_run_changes_nothing(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    process = start(folder, *NIGHT, "--no-server")
    wait_until_handled(process.pid, signal.SIGTERM)  # it imports libraries now
    errors, _ = stop(process, signal.SIGINT)
    assert process.returncode == 1
    assert errors.startswith("error: SIGINT stopped this run before its first step.")
    assert not (folder / "store").exists()


SWALLOWING = """
import threading, time
from flows.runs import interruption
from flows.runs.interruption import end_within_grace, raise_on_signals, recorded_by

interruption.GRACE_S = 1.0
raise_on_signals()
with end_within_grace(), recorded_by(lambda error: print("recorded", error.signal, flush=True)):
    threading.Timer(0.5, print, ["started"], {"flush": True}).start()  # the loop below has begun by then
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass  # what such a library does
"""


def test_library_that_swallows_the_exception_is_ended_after_the_grace():
    process = subprocess.Popen(
        [sys.executable, "-c", SWALLOWING], cwd=Path(__file__).parents[3], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "recorded SIGTERM\n")
    assert errors.startswith("error: SIGTERM stopped this run before its first step.")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_of_the_night_ends_with_it(tmp_path, number):
    folder = small_world(tmp_path / "world", "small", epochs=400, end="2024-01-31")
    process = start(folder, *NIGHT)
    wait_for(process, "cut_windows")
    errors, children = stop(process, number)
    assert process.returncode == 1
    assert errors.count("error: ") == 1
    assert children
    assert not [child for child in children if child.is_running()]
    assert record_of(folder)["error"] == "RunInterrupted"


@pytest.mark.slow
def test_night_after_an_interrupted_one_is_complete(tmp_path):
    folder = small_world(tmp_path / "world", "small", end="2024-01-31")
    process = start(folder, *NIGHT, "--no-server")
    wait_for(process, "✓ train")
    stop(process, signal.SIGTERM)
    again = start(folder, *NIGHT, "--no-server")
    _, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    assert "= train" in errors
