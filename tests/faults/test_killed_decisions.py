"""promote and retract that are killed before each change: the same command again finishes them, and fsck is content."""

import json

import pytest

from tests.faults.failpoints import kill_at, list_points
from tests.faults.invariants import violations

RETRACT = ("retract", "ports", "2024-02-09T000000Z", "--reason", "wrong calendar")
PROMOTE = ("promote", "ports", "1", "--reason", "new calendar")
SAMPLE = 40

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("command", [RETRACT, PROMOTE], ids=["retract", "promote"])
def test_killed_decision_is_finished_by_the_same_command(command, world, tmp_path):
    environment = {"NIGHTCAST_PIPELINES": str(world.folder)}
    log = tmp_path / "points.jsonl"
    whole = world.run(*command, inject=list_points(log, world.store), environment=environment)
    assert whole.code == 0, whole.output
    points = [json.loads(line)[1] for line in log.read_text().splitlines()]
    expected = {path.name for path in world.store.glob("forecasts/*/*")}
    wrong = []
    for point in range(0, len(points), max(1, len(points) // SAMPLE)):
        world.reset()
        killed = world.run(*command, inject=kill_at(point, world.store), environment=environment)
        again = world.run(*command, environment=environment)
        checked = world.run("fsck")
        found = [f"{command[0]} exits {again.code}: {again.output[-300:]}"] if again.code else []
        found += [f"fsck exits {checked.code}: {checked.output[-500:]}"] if checked.code else []
        found += violations(world)
        if {path.name for path in world.store.glob("forecasts/*/*")} != expected:
            found.append("other vintages are published than without the kill")
        wrong += [f"killed ({killed.code}) at {points[point]}: {text}" for text in found]
    assert wrong == []
