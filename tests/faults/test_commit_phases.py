"""A night that is killed, or whose disk is full, before each change of store and registry is whole after a rerun."""

import errno
import json

import pytest

from tests.faults.failpoints import fail_at, kill_at, list_points
from tests.faults.harness import NIGHTS
from tests.faults.invariants import output_violations, violations

NIGHT = NIGHTS[2]
SHARDS = 8
SAMPLE = 60  # every so many points in `make test`


@pytest.fixture(scope="module")
def points(nights, tmp_path_factory) -> list[str]:
    """Describe each point of a night, by its number."""
    log = tmp_path_factory.mktemp("points") / "points.jsonl"
    nights.world.reset()
    assert nights.world.night(NIGHT, inject=list_points(log, nights.world.store)).code == 0
    nights.world.reset()
    return [json.loads(line)[1] for line in log.read_text().splitlines()]


def faults_of(world, undisturbed, chosen, inject) -> list[str]:
    """Run one faulty night and one without a fault per point; return what was wrong."""
    wrong = []
    for point, description in chosen:
        world.reset()
        ended = world.night(NIGHT, inject=inject(point))
        found = [] if ended.code < 0 else output_violations(ended)
        found += [f"before the rerun: {text}" for text in violations(world) if not text.startswith(("9:", "2: latest"))]
        again = world.night(NIGHT)
        found += [f"exit code {again.code} of the rerun: {again.last_line}"] if again.code else []
        found += output_violations(again) + violations(world)
        found += ["5: the bytes after the rerun differ"] if world.lasting() != undisturbed else []
        wrong += [f"point {point} ({description}): {text}" for text in found]
    return wrong


def full_disk(point, world):
    return fail_at(point, world.store, lambda: OSError(errno.ENOSPC, "No space left on device"))


def test_night_has_a_point_for_each_kind_of_change(points):
    operations = {description.split()[0] for description in points}
    assert operations >= {"open", "fsync", "link", "replace", "unlink", "mlflow"}
    kinds = {description.split()[1].split("/")[0] for description in points if not description.startswith("mlflow")}
    assert kinds >= {"artifacts", "cache", "decisions", "forecasts", "latest", "leases", "reports", "runs", "snapshots"}


def test_kills_at_a_sample_of_points(world, undisturbed, points):
    chosen = list(enumerate(points))[SAMPLE // 2 :: SAMPLE]
    assert faults_of(world, undisturbed, chosen, lambda point: kill_at(point, world.store)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_kill_at_each_point(world, undisturbed, points, shard):
    chosen = list(enumerate(points))[shard::SHARDS]
    assert faults_of(world, undisturbed, chosen, lambda point: kill_at(point, world.store)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(2))
def test_disk_full_from_each_write_on(world, undisturbed, points, shard):
    chosen = [(point, text) for point, text in enumerate(points) if text.startswith("open")][shard::2]
    assert faults_of(world, undisturbed, chosen, lambda point: full_disk(point, world)) == []
