"""What a running service has imported: no orchestrator and no registry, with ONNX no PyTorch. Prints seconds and MB."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

BUILD = """
import json, sys, time
begun = time.perf_counter()
import psutil
from deployments.api.app import build_app, guard
from deployments.api.inference.champion import ServeOptions, load_champion
from deployments.api.guards import Limits
from deployments.api.lifecycle import ServiceState
from deployments.api.server import LOOPBACK
import deployments.cli.real_time_commands
from tasks.storage.store import Store
import asyncio

store, options = Store(root=sys.argv[1]), ServeOptions(sys.argv[2])
state = ServiceState(load_champion("ports", store, options), store, options, 5.0)
app = guard(build_app(state, store, "0"), state.metrics, list(LOOPBACK), None, Limits())

async def ask():
    from deployments.api.schemas import ForecastRequest
    async with state.lifespan(None):
        return await state.queue.forecast(ForecastRequest(series=["north/gate 1"]))

answer = asyncio.run(ask())
seconds = time.perf_counter() - begun
modules = sorted({name.partition(".")[0] for name in sys.modules})
mb = psutil.Process().memory_info().rss / 2**20
print(json.dumps({"seconds": seconds, "mb": mb, "forecasts": len(answer["forecasts"]), "modules": modules}))
"""
HEAVY = {"prefect", "mlflow", "great_expectations", "evidently"}


@pytest.mark.parametrize(("engine", "absent"), [("torch", HEAVY), ("onnx", HEAVY | {"torch"})])
def test_service_has_not_imported(served, engine, absent, capsys):
    if engine == "onnx":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'nightcast[onnx]'")
    command = [sys.executable, "-c", textwrap.dedent(BUILD), str(served.store), engine]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert absent & set(report["modules"]) == set()
    assert report["forecasts"] == 1
    with capsys.disabled():
        print(f"\n{engine}: {report['seconds']:.1f} s to the first forecast, {report['mb']:.0f} MB")  # noqa: T201
