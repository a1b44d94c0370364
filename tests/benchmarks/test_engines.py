"""Part of `make bench`: one night on this machine, on Dask and on Ray with two workers each, also with one killed.

A first night trains a network, which becomes champion by hand. Copies of its store then run the second night on each
engine: training, evaluation and the forecast of every series by the network. Forecasts are compared bit by bit. The
network has 256 cells and reads step by step, because the default one forecasts too fast to be worth a second worker.
NIGHTCAST_BENCH_SERIES is the number of series, by default 30,000.
"""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.benchmarks.test_scale import FIRST_NIGHT, Steps, build, measure
from tests.tasks.engine.clusters import dask_cluster, kill_worker, ray_cluster

pytestmark = pytest.mark.benchmark

SERIES = int(os.environ.get("NIGHTCAST_BENCH_SERIES", "30000"))
MODELS = [{"cell": "gru", "hidden": 256, "segment": 1}]
SHOWN = ("train", "evaluate", "forecast", "total")
WAIT_S = 600.0


@contextlib.contextmanager
def engine_of(name: str) -> Iterator[list[int]]:
    """Start a cluster and set its variables inside the block; `killed` is Dask with a worker that ends in its second
    call: the first trains the network.

    Yields:
        The workers that were killed.
    """
    variables = ("NIGHTCAST_ENGINE", "NIGHTCAST_ENGINE_ADDRESS")
    killed = list[int]()
    with contextlib.ExitStack() as stack:
        if name in ("dask", "killed"):
            address, workers = stack.enter_context(dask_cluster())
            os.environ.update(zip(variables, ("dask", address), strict=True))
            if name == "killed":
                calls = ([worker.pid for worker in workers], killed, 2, WAIT_S)
                threading.Thread(target=kill_worker, args=calls, daemon=True).start()
        elif name == "ray":
            os.environ.update(zip(variables, ("ray", stack.enter_context(ray_cluster())), strict=True))
        stack.callback(lambda: [os.environ.pop(variable, None) for variable in variables])
        yield killed


@pytest.mark.timeout(7200)
def test_the_same_night_on_each_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    pytest.importorskip("ray", reason="the extra ray is not installed")
    first = tmp_path / "first"
    first.mkdir()
    build(first, SERIES)
    spec = yaml.safe_load((first / "big.yaml").read_text(encoding="utf-8")) | {"models": MODELS}
    (first / "big.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    measure(first, f"{FIRST_NIGHT:%Y-%m-%dT%H:%M}")
    promote_network(first)
    runs, forecasts = dict[str, Steps](), dict[str, pd.DataFrame]()
    for engine in ("local", "dask", "ray", "killed"):
        folder = tmp_path / engine
        shutil.copytree(first / "store", folder / "store")
        (folder / "big.yaml").write_text((first / "big.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        with engine_of(engine) as killed:
            runs[engine] = measure(folder, f"{FIRST_NIGHT + timedelta(days=1):%Y-%m-%dT%H:%M}")
        assert (len(killed) == 1) == (engine == "killed")
        forecasts[engine] = pd.read_parquet(folder / "store/latest/pipeline=big/forecasts.parquet")
        shutil.rmtree(folder)
    with capsys.disabled():
        print(
            f"\n{SERIES:,} series: seconds of wall\n{'':10}" + "".join(f"{step:>10}" for step in SHOWN) + "   forecasts"
        )
        for engine, steps in runs.items():
            seconds = "".join(f"{steps[step]['wall_s']:10.1f}" for step in SHOWN)
            print(f"{engine:10}{seconds}   {compare(forecasts[engine], forecasts['local'])}")
        print(json.dumps(runs))


def promote_network(folder: Path) -> None:
    """Make the first network of a pipeline its champion."""
    os.environ["NIGHTCAST_STORE"] = f"{folder}/store"
    from flows.promote import promote

    promote.fn(f"{folder}/big.yaml", "networks forecast in this benchmark", 1)


def compare(there: pd.DataFrame, here: pd.DataFrame) -> str:
    """Say whether two forecasts are equal, and how many rows each model has."""
    models = ", ".join(f"{rows:,} of {name}" for name, rows in there["source"].value_counts().items())
    there, here = (table.drop(columns="run_id") for table in (there, here))
    return f"{'equal bit by bit' if there.equals(here) else 'DIFFERENT'}, {models}"
