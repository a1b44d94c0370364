"""gc and fsck that are killed before each change: the store stays readable, and the next run finishes the work."""

import json
import os
import time

import pytest

from tests.faults.failpoints import kill_at, list_points
from tests.faults.invariants import violations
from tests.faults.scenario import published
from tests.faults.test_faults_of_the_store import champion, flip, newest

OLD_S = 3 * 86400.0
COLLECT = ("gc", "--keep", "1d", "--apply")
REPAIR = ("fsck", "--repair")
SAMPLE = 25

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def age(world):
    old = time.time() - OLD_S
    for path in world.store.rglob("*"):
        os.utime(path, (old, old))  # gc keeps files younger than a day


def damage(world):
    flip(champion(world))
    (world.store / "latest/pipeline=ports/forecasts.parquet").unlink()
    (world.store / "mlflow/mlflow.db").write_bytes(b"no database")
    path = newest(world, "decisions/*/*.json")
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(("command", "prepare"), [(COLLECT, age), (REPAIR, damage)], ids=["gc", "fsck"])
def test_killed_maintenance_is_finished_by_the_next(command, prepare, world, nights, tmp_path):
    kept = published(world.lasting())
    prepare(world)
    log = tmp_path / "points.jsonl"
    whole = world.run(*command, inject=list_points(log, world.store))
    assert whole.code == 0, whole.output
    points = [json.loads(line)[1] for line in log.read_text().splitlines()]
    wrong = []
    for point in range(0, len(points), max(1, len(points) // SAMPLE)):
        world.reset()
        prepare(world)
        killed = world.run(*command, inject=kill_at(point, world.store))
        again = world.run(*command)
        checked = world.run("fsck")
        found = [f"{command[0]} exits {again.code}: {again.output[-300:]}"] if again.code else []
        found += [f"fsck exits {checked.code}: {checked.output[-300:]}"] if checked.code else []
        found += violations(world)
        lost = [
            name
            for name, data in kept.items()
            if not name.startswith("snapshots") and published(world.lasting()).get(name) != data
        ]
        found += [f"{name} is lost or changed" for name in lost]
        wrong += [f"killed ({killed.code}) at {points[point]}: {text}" for text in found]
    assert wrong == []
