"""A `nightcast up` of its own: real servers and a real runner on free ports of 127.0.0.1, over a small world."""

import json
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

NIGHTCAST = Path(sys.executable).parent / "nightcast"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_world(folder: Path, *names: str, epochs: int = 1, cron: str = "0 3 * * *", end: str | None = None) -> Path:
    """Two hourly series of 30 days up to `end` (or this hour), and the smallest pipeline over them for each name."""
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


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a user in this folder, whatever the tests themselves run in."""
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

    def start(self, seconds: float = 120) -> "Up":
        words = ["up", "--port", str(self.ports[0]), "--mlflow-port", str(self.ports[1]), "--json"]
        with (self.folder / "up.err").open("a") as errors:
            self.process = subprocess.Popen(
                [NIGHTCAST, *words],
                cwd=self.folder,
                env=surroundings(self.folder),
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
        """The child that runs a module; the one that ends last where several do."""
        return next(one for one in self.family() if module in " ".join(one.cmdline()))

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        self.process.wait(60)
        if self.process.stdout:
            self.process.stdout.close()
        return self.process.returncode

    def lose_power(self) -> None:
        """Everything at once, as when the plug is pulled."""
        assert self.process
        family = self.family()
        self.process.kill()
        for one in family:
            one.kill()
        self.process.wait(30)
        psutil.wait_procs(family, timeout=30)

    def nightcast(self, *words: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [NIGHTCAST, *words],
            cwd=self.folder,
            env=surroundings(self.folder),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def client(self) -> httpx.Client:
        """Of the REST API, with the token that the server asks of whoever changes something."""
        token = httpx.get(f"{self.api}/csrf-token", params={"client": "test"}, timeout=30).json()["token"]
        headers = {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": token}
        return httpx.Client(base_url=self.api, timeout=30, headers=headers)

    def run(self, deployment: str, **parameters: Any) -> str:
        """Start a deployment by the REST call; the id of the run."""
        with self.client() as client:
            found = client.get(f"/deployments/name/{deployment}").json()
            made = client.post(f"/deployments/{found['id']}/create_flow_run", json={"parameters": parameters})
            assert made.is_success, made.text
            return str(made.json()["id"])

    def run_of(self, run: str) -> dict[str, Any]:
        with self.client() as client:
            found: dict[str, Any] = client.get(f"/flow_runs/{run}").json()
            return found

    def wait_for(self, run: str, *states: str, seconds: float = 180) -> dict[str, Any]:
        """The run once it is in one of these states."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.run_of(run))
            return found["state"]["type"] in states

        until(there, seconds, lambda: f"{found['state']} {self.log('runner')[-2000:]}")
        return found

    def log(self, child: str) -> str:
        return (self.folder / f".prefect/up-{child}.log").read_text(errors="replace")


def until(there: Callable[[], bool], seconds: float, why: Callable[[], str] = lambda: "") -> None:
    """Wait for something that may be asked while a server restarts."""
    end = time.monotonic() + seconds
    while True:
        try:
            if there():
                return
        except (httpx.HTTPError, OSError):
            pass
        assert time.monotonic() < end, why()
        time.sleep(0.3)


def in_two_minutes() -> str:
    """A cron that fires once a day, and for the first time within two minutes."""
    due = datetime.now(UTC) + timedelta(seconds=100)
    return f"{due.minute} {due.hour} * * *"


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack over the pipelines `small` and `twin`; the end of the session stops it."""
    stack = Up(small_world(tmp_path_factory.mktemp("up"), "small", "twin", end="2024-01-31")).start()
    yield stack
    if stack.process and stack.process.poll() is None:
        stack.stop()
