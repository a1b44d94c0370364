"""Two concurrent processes: of one pipeline one writes and the other waits; of two pipelines both write."""

import os
import subprocess
import sys
import time

import pytest
import yaml

from data_contracts.errors import LeaseHeld
from flows.nightly import nightly
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.process_identity import current_process
from tests.flows.runs.test_kills import lasting

NIGHT = "2024-02-08"
pytestmark = pytest.mark.usefixtures("prefect_server")

RUN = """
import logging, sys, time
from pathlib import Path
logging.basicConfig(format="%(message)s", stream=sys.stdout, level=logging.WARNING)
logging.getLogger("nightcast").setLevel("INFO")
from flows.nightly import nightly
spec, start = sys.argv[1], Path(sys.argv[2])
Path(f"{start}-{sys.argv[3]}").touch()
while not start.exists():
    time.sleep(0.01)
begun = time.time()
outcome = nightly(spec, "2024-02-08")
print("ended", begun, time.time(), outcome.cached, flush=True)
"""


def together(world, *pipelines):
    """(output, start and end, whether cached) of runs that a barrier released together."""
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value(), "NIGHTCAST_STORE": str(world / "store")}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(world / name), str(world / "go"), str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, name in enumerate(pipelines)
    ]
    while len(list(world.glob("go-*"))) < len(runs):
        assert all(run.poll() is None for run in runs)
        time.sleep(0.05)
    (world / "go").touch()
    said = [run.communicate(timeout=180)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs), said
    ends = [next(line for line in text.splitlines() if line.startswith("ended")).split() for text in said]
    return said, [(float(end[1]), float(end[2])) for end in ends], [end[3] == "True" for end in ends]


@pytest.mark.slow
def test_second_run_of_a_pipeline_waits_for_the_first(world, build, panel, tmp_path, monkeypatch):
    said, _, cached = together(world, "ports.yaml", "ports.yaml")
    assert sorted(cached) == [False, True]
    waiting = said[cached.index(True)]
    assert "waiting for ports: nightly ports as of 2024-02-08T00:00:00+00:00 (process " in waiting
    assert "its lease holds until" in waiting
    both = lasting(world / "store")
    (tmp_path / "alone").mkdir()
    alone = build(tmp_path / "alone", panel, monkeypatch)
    nightly(str(alone / "ports.yaml"), NIGHT)
    assert both == lasting(alone / "store")


@pytest.mark.slow
def test_two_pipelines_run_concurrently(world):
    spec = yaml.safe_load((world / "ports.yaml").read_text())
    (world / "havens.yaml").write_text(yaml.safe_dump(spec | {"name": "havens"}))
    said, times, cached = together(world, "ports.yaml", "havens.yaml")
    assert cached == [False, False]
    assert "waiting" not in "".join(said)
    assert max(begun for begun, _ in times) < min(ended for _, ended in times)


def test_run_that_may_not_wait_is_refused_and_changes_nothing(world, monkeypatch):
    monkeypatch.setenv("NIGHTCAST_LEASE_WAIT", "0")
    with hold_lease(str(world / "store"), "ports", current_process("backfill ports as of 2024-02-01"), LeaseSettings()):
        with pytest.raises(LeaseHeld, match=r"backfill ports as of 2024-02-01 \(process \d+ on .*holds until"):
            nightly(str(world / "ports.yaml"), NIGHT)
        kept = {path.name for path in (world / "store").iterdir()}
    assert kept == {"leases"}


def test_finished_night_leaves_no_lease(two_nights):
    assert not list((two_nights[0] / "store/leases").rglob("*.json"))
