"""Measurements of the service over HTTP: wrk at 1, 8 and 64 connections, and `mlflow models serve` of the same model.

The first night of the demo is run for it. wrk runs on the same machine and takes a part of it. `cold start` is the
time from starting the process to the first /ready, and the memory is that of the process then.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil
import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")]

NIGHTCAST = str(Path(sys.executable).parent / "nightcast")
MLFLOW = str(Path(sys.executable).parent / "mlflow")
SCRIPT = Path(__file__).with_name("serving.lua")
CONNECTIONS = (1, 8, 64)
SECONDS = 5
PIPELINE, AS_OF, SERIES, LOOKBACK, HORIZON = "nyc-delays", "2013-11-28", "JFK-B6", 168, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store after the first night of the demo, which has a champion."""
    folder = tmp_path_factory.mktemp("load")
    command = [NIGHTCAST, "nightly", PIPELINE, "--as-of", AS_OF, "--no-server"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], folder: Path, url: str) -> Iterator[dict[str, float]]:
    """Run a server until `url` answers 200; give seconds and memory of the start."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/store/mlflow/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    begin = time.perf_counter()
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=5).status_code == 200:
                    break
            if process.poll() is not None or time.perf_counter() - begin > 300:
                raise RuntimeError((folder / "server.log").read_text()[-2000:])
            time.sleep(0.05)
        seconds = time.perf_counter() - begin
        members = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        yield {"seconds": seconds, "mib": sum(member.memory_info().rss for member in members) / 2**20}
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for member in psutil.Process(process.pid).children(recursive=True):
                member.terminate()
            process.terminate()
        process.wait(60)


def load(url: str, body: Path, connections: int) -> dict[str, Any]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "30s", "-s", str(SCRIPT), url]
    done = subprocess.run(command, env=os.environ | {"BODY": str(body)}, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


def measure(label: str, url: str, body: Path) -> None:
    for connections in CONNECTIONS:
        result = load(url, body, connections)
        rate = result["requests"] / result["seconds"]
        times = f"p50 {result['p50_ms']:8.2f} ms  p99 {result['p99_ms']:8.2f} ms"
        print(f"{label:34s} {connections:3d} clients  {times}  {rate:8.1f} requests/s  failed {result['failed']}")


def write_bodies(folder: Path) -> dict[str, Path]:
    history = pd.read_parquet(folder / f"store/latest/pipeline={PIPELINE}/history.parquet")
    history = history[history["unique_id"] == SERIES].tail(LOOKBACK + HORIZON)  # with what is known ahead
    history["ds"] = history["ds"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = json.loads(history.to_json(orient="records"))
    split = {"columns": list(history.columns), "data": [list(row.values()) for row in rows]}
    newest = rows[LOOKBACK - 1]
    seen = {name: newest[name] for name in ("unique_id", "ds", "y")}
    bodies = {
        "known": {"series": [SERIES]},
        "observe": {"observations": [seen]},
        "history": {"history": rows},
        "mlflow": {"dataframe_split": split},
    }
    paths = {name: folder / f"{name}.json" for name in bodies}
    for name, body in bodies.items():
        paths[name].write_text(json.dumps(body))
    return paths


def test_service_beside_mlflow_models_serve(folder, capsys):
    with capsys.disabled():
        measure_servers(folder)


def measure_servers(folder: Path) -> None:
    bodies = write_bodies(folder)
    print()
    for engine in ("torch", "onnx"):
        port = free_port()
        url, command = f"http://127.0.0.1:{port}", [NIGHTCAST, "serve", PIPELINE, "--port", str(port)]
        with running([*command, "--engine", engine], folder, f"{url}/ready") as start:
            print(f"{engine}: cold start {start['seconds']:.1f} s, {start['mib']:.0f} MiB")
            measure(f"{engine}: known series", f"{url}/v1/forecast", bodies["known"])
            measure(f"{engine}: observe and forecast", f"{url}/v1/observe", bodies["observe"])
            measure(f"{engine}: history of 168 rows", f"{url}/v1/forecast", bodies["history"])
    port = free_port()
    command = [MLFLOW, "models", "serve", "-m", f"models:/{PIPELINE}@champion", "--port", str(port)]
    command += ["--env-manager", "local"]
    with running(command, folder, f"http://127.0.0.1:{port}/ping") as start:
        print(f"mlflow models serve: cold start {start['seconds']:.1f} s, {start['mib']:.0f} MiB")
        measure("mlflow: history of 168 rows", f"http://127.0.0.1:{port}/invocations", bodies["mlflow"])
