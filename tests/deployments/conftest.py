"""`nightcast up` as a process: real servers and a real runner on free ports of 127.0.0.1, with small pipelines."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

from tests.warm_commands import run_nightcast

NIGHTCAST = Path(sys.executable).parent / "nightcast"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_world(folder: Path, *names: str, epochs: int = 1, cron: str = "0 3 * * *", end: str | None = None) -> Path:
    """Write two hourly series of 30 days up to `end` (default: this hour), and a minimal pipeline for each name."""
    last = pd.Timestamp(end, tz="UTC") if end else pd.Timestamp.now(tz="UTC").floor("h")
    hours = pd.date_range(end=last, periods=24 * 30, freq="h")
    shape = 10 + 8 * np.sin(2 * np.pi * hours.hour / 24)
    noise = np.random.default_rng(3).normal(size=(2, len(hours)))
    parts = [pd.DataFrame({"id": name, "t": hours, "v": shape + noise[n]}) for n, name in enumerate("ab")]
    (folder / "pipelines").mkdir(parents=True)
    pd.concat(parts).to_parquet(folder / "panel.parquet", index=False)
    for name in names:
        spec = {
            "name": name,
            "source": {"kind": "parquet", "path": str(folder / "panel.parquet")},
            "columns": {"unique_id": "id", "ds": "t", "y": "v"},
            "freq": "h",
            "windowing": {"lookback": 48, "horizon": 12, "validation": "4d", "test": "4d"},
            "models": [{"cell": "gru", "hidden": 8, "segment": 12}],
            "training": {"max_epochs": epochs, "patience": epochs, "windows_per_epoch": 256},
            "schedule": {"cron": cron, "timezone": "UTC"},
        }
        (folder / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder


def user_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a user in this folder, without the variables of the test process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "NIGHTCAST_"))}
    return {**kept, "NIGHTCAST_PIPELINES": str(folder / "pipelines"), "OMP_NUM_THREADS": "1", **more}


class Up:
    """One `nightcast up` as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ports = folder, (free_port(), free_port())
        self.process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}/api"

    def start(self, seconds: float = 300) -> "Up":
        words = ["up", "--port", str(self.ports[0]), "--mlflow-port", str(self.ports[1]), "--json"]
        with (self.folder / "up.err").open("a") as errors:
            self.process = subprocess.Popen(
                [NIGHTCAST, *words],
                cwd=self.folder,
                env=user_environment(self.folder),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        watch = time.monotonic() + seconds
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line, (self.folder / "up.err").read_text()
        assert time.monotonic() < watch
        self.ready = json.loads(line)
        return self

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True) if self.process else []

    def child(self, module: str) -> psutil.Process:
        """Return the child process that runs a module."""
        return next(process for process in self.family() if module in " ".join(process.cmdline()))

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        self.process.wait(60)
        if self.process.stdout:
            self.process.stdout.close()
        return self.process.returncode

    def lose_power(self) -> None:
        """Kill all processes at once, as a power loss does."""
        assert self.process
        family = self.family()
        self.process.kill()
        for process in family:
            process.kill()
        self.process.wait(30)
        psutil.wait_procs(family, timeout=30)

    def nightcast(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_nightcast(words, self.folder, user_environment(self.folder))

    @property
    def key(self) -> str:
        """The key of the API, which `up` makes at its first start."""
        return (self.folder / ".prefect/api-key").read_text().strip()

    def client(self) -> httpx.Client:
        """Return a client of the REST API with the key, and with the CSRF token that changes require."""
        user, _, password = self.key.partition(":")
        auth = httpx.BasicAuth(user, password)
        answer = httpx.get(f"{self.api}/csrf-token", params={"client": "test"}, timeout=30, auth=auth)
        headers = {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": answer.json()["token"]}
        return httpx.Client(base_url=self.api, timeout=30, headers=headers, auth=auth)

    def run(self, deployment: str, **parameters: Any) -> str:
        """Start a deployment through the REST API and return the id of the run."""
        with self.client() as client:
            deployment_id = client.get(f"/deployments/name/{deployment}").json()["id"]
            made = client.post(f"/deployments/{deployment_id}/create_flow_run", json={"parameters": parameters})
            assert made.is_success, made.text
            return str(made.json()["id"])

    def run_of(self, run: str) -> dict[str, Any]:
        with self.client() as client:
            state: dict[str, Any] = client.get(f"/flow_runs/{run}").json()
            return state

    def wait_for(self, run: str, *states: str, seconds: float = 180) -> dict[str, Any]:
        """Wait until the run is in one of these states and return it."""
        state: dict[str, Any] = {}

        def is_in_state() -> bool:
            state.update(self.run_of(run))
            return state["state"]["type"] in states

        until(is_in_state, seconds, lambda: f"{state['state']} {self.log('runner')[-2000:]}")
        return state

    def log(self, child: str) -> str:
        return (self.folder / f".prefect/up-{child}.log").read_text(errors="replace")


def until(is_true: Callable[[], bool], seconds: float, describe: Callable[[], str] = lambda: "") -> None:
    """Wait until `is_true()` holds; errors of a server that restarts count as false."""
    end = time.monotonic() + seconds
    while True:
        try:
            if is_true():
                return
        except (httpx.HTTPError, OSError):
            pass
        assert time.monotonic() < end, describe()
        time.sleep(0.3)


def in_two_minutes() -> str:
    """Return a daily cron that fires for the first time within two minutes."""
    due = datetime.now(UTC) + timedelta(seconds=100)
    return f"{due.minute} {due.hour} * * *"


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running stack with the pipelines `small` and `twin`, stopped at the end of the session."""
    stack = Up(small_world(tmp_path_factory.mktemp("up"), "small", "twin", end="2024-01-31")).start()
    yield stack
    if stack.process and stack.process.poll() is None:
        stack.stop()


@pytest.fixture
def restored_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore Nightcast's log after the test: a command adds a handler for a stream that is closed after the test."""
    log = logging.getLogger("nightcast")
    for name in ("level", "propagate"):
        monkeypatch.setattr(log, name, getattr(log, name))
    monkeypatch.setattr(log, "handlers", list(log.handlers))


@pytest.fixture(autouse=True)
def restored_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the password of a temporary server after a command in this process: a later server would ask for it."""
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        if name not in os.environ:
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
