"""Stores of small nights, made once, and the service over them: in this process, or as a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.deployments.conftest import free_port
from tests.faults.harness import World
from tests.flows.conftest import panel

__all__ = ["panel"]
NIGHT, CUTOFF = "2024-02-08", pd.Timestamp("2024-02-07T23:00Z")
NAMES = {"north": "north/gate 1", "south": "Zürich ½% ?#"}
NIGHTCAST = Path(sys.executable).parent / "nightcast"


@pytest.fixture(scope="session")
def named(panel: pd.DataFrame) -> pd.DataFrame:
    """The panel, with names of series that a URL has to escape, and a third one beyond ASCII."""
    third = panel[panel["port"] == "north"].assign(
        port="東京 e\N{COMBINING ACUTE ACCENT}", late=lambda t: t["late"] + 1
    )
    return pd.concat([panel.assign(port=panel["port"].map(NAMES)), third], ignore_index=True)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, named: pd.DataFrame) -> World:
    """A store after one night with known and observed covariates."""
    world = World(tmp_path_factory.mktemp("served") / "world", named)
    ended = world.night(NIGHT)
    assert ended.code == 0, ended.output
    world.save()
    return world


@pytest.fixture(scope="session")
def twofold(tmp_path_factory: pytest.TempPathFactory, panel: pd.DataFrame) -> World:
    """A store after one night of two challengers, of which each can be promoted; closed from 1 to 5 o'clock.

    `promoted` and `other` are their versions.
    """
    hours = panel["hour_utc"].dt.hour
    networks = [{"cell": cell, "hidden": 8, "segment": 12} for cell in ("gru", "lstm")]
    table, cleaning = panel.assign(late=panel["late"].where((hours == 0) | (hours >= 5))), {"closed": ["1-5"]}
    world = World(tmp_path_factory.mktemp("twofold") / "world", table, models=networks, cleaning=cleaning)
    contract = {"name": "ports", "properties": [_contract_column(name) for name in ("port", "hour_utc", "late")]}
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "ports", "version": "1.0.0", "status": "active"}
    (world.folder / "ports.odcs.yaml").write_text(yaml.safe_dump(document | {"schema": [contract]}))
    world.spec.write_text(yaml.safe_dump(yaml.safe_load(world.spec.read_text()) | {"contract": "ports.odcs.yaml"}))
    ended = world.night(NIGHT)
    assert ended.code == 0, ended.output
    (decision,) = (world.store / "decisions/pipeline=ports").glob("*.json")
    world.promoted = json.loads(decision.read_text())["champion"]["version"]
    world.other = {"1": "2", "2": "1"}[world.promoted]
    world.save()
    return world


def _contract_column(name: str) -> dict[str, Any]:
    if name != "late":
        return {"name": name, "logicalType": "string" if name == "port" else "timestamp"}
    bounds = "type: expect_column_values_to_be_between\nkwargs: {column: late, min_value: 0, max_value: 200}"
    rule = {"name": "possible", "description": "between 0 and 200 flights are late", "type": "custom"}
    return {
        "name": name,
        "logicalType": "number",
        "quality": [rule | {"engine": "greatExpectations", "implementation": bounds}],
    }


class Api:
    """The application of one store in this process; requests go through all guards."""

    def __init__(self, client: Any, state: Any, world: World) -> None:
        self.client, self.state, self.world = client, state, world

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.client.get(path, params=parameters)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})

    def forecast(self, *names: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.post("/v1/forecast", {"series": list(names), **more})
        assert answer.status_code == 200, answer.text
        return answer.json()["forecasts"]

    def observe(self, *observations: dict[str, Any]) -> dict[str, Any]:
        answer = self.post("/v1/observe", {"observations": list(observations)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def outcomes(self, *observations: dict[str, Any]) -> list[str]:
        return [result["outcome"] for result in self.observe(*observations)["results"]]


@pytest.fixture(scope="session")
def open_api() -> Callable[..., contextlib.AbstractContextManager[Api]]:
    """Open a service in this process: open_api(world, engine=…, carried=…, key=…, limits=…)."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient

    @contextlib.contextmanager
    def open_api(world: Any, engine: str = "torch", carried: bool = False, key: str | None = None, limits: Any = None,
                 pipeline: str = "ports") -> Iterator[Api]:  # fmt: skip
        from deployments.api.app import build_app, guard
        from deployments.api.guards import Limits
        from deployments.api.inference.champion import ServeOptions, load_champion
        from deployments.api.lifecycle import ServiceState
        from deployments.api.server import LOOPBACK
        from tasks.storage.store import Store

        store, options = Store(root=str(world.store)), ServeOptions(engine, carried)
        state = ServiceState(load_champion(pipeline, store, options), store, options, poll_s=3600)
        app = guard(build_app(state, store, "0"), state.metrics, list(LOOPBACK), key, limits or Limits())
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            yield Api(client, state, world)

    return open_api


@pytest.fixture(scope="session")
def readable(served: World, open_api: Callable[..., Any]) -> Iterator[Api]:
    """A service that no test changes."""
    with open_api(served) as api:
        yield api


@pytest.fixture
def api(served: World, open_api: Callable[..., Any]) -> Iterator[Api]:
    """A service of this test alone."""
    with open_api(served) as api:
        yield api


@pytest.fixture(autouse=True)
def _folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Server:
    """`nightcast serve` as a process on a free port of 127.0.0.1."""

    def __init__(self, world: World, *options: str, **environment: str) -> None:
        self.world, self.port = world, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "NIGHTCAST_"))}
        variables |= {"NIGHTCAST_STORE": str(world.store), "OMP_NUM_THREADS": "1", **environment}
        self.out, self.err = (world.folder / f"serve-{self.port}.{name}" for name in ("out", "err"))
        self.started = time.monotonic()
        with self.out.open("w") as out, self.err.open("w") as err:
            command = [NIGHTCAST, "serve", "ports", "--port", str(self.port), *options]
            self.process = subprocess.Popen(command, cwd=world.folder, env=variables, stdout=out, stderr=err)

    def wait_ready(self, seconds: float = 120) -> "Server":
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(f"not ready: exit code {self.process.poll()}, {self.err.read_text()[-2000:]}")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start `nightcast serve` for a world: serve(world, *options). Killed after the test if it still runs."""
    servers: list[Server] = []

    def start(world: World, *options: str, **environment: str) -> Server:
        servers.append(Server(world, *options, **environment))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(10)


def published(world: World, name: str) -> pd.DataFrame:
    """Rows of a series in the latest published table, in the order of their times."""
    table = pd.read_parquet(world.store / "latest/pipeline=ports/forecasts.parquet")
    return table[table["unique_id"] == name].sort_values("ds", ignore_index=True)


def assert_equal_table(forecast: dict[str, Any], rows: pd.DataFrame) -> None:
    """The times, steps and every float of a forecast are those of published rows."""
    assert pd.to_datetime(forecast["ds"], utc=True).tolist() == rows["ds"].dt.tz_convert("UTC").tolist()
    assert forecast["step"] == rows["step"].tolist()
    assert pd.Timestamp(forecast["cutoff"]) == rows["cutoff"].iloc[0]
    columns = {f"{float(level):g}": values for level, values in forecast["quantiles"].items()}
    for level, values in columns.items():
        name = f"q{round(100 * float(level)):02d}"
        assert np.array(values).tobytes() == rows[name].to_numpy("float64").tobytes(), (forecast["unique_id"], name)
    assert np.array(forecast["y_hat"]).tobytes() == rows["y_hat"].to_numpy("float64").tobytes()
