"""Runs of one pipeline at once: nights, a backfill, maintenance. One writes, the others wait, and nothing is lost."""

import os
import signal
import time

import pytest

from tests.faults.harness import NIGHTS, run_forked, warm_up
from tests.faults.invariants import output_violations, violations
from tests.faults.scenario import differences

NIGHT = NIGHTS[2]


def start(world, *arguments):
    """Run a command in a process of its own; returns a function that waits for it and returns its exit code."""
    warm_up()
    log = world.folder.with_name(f"log-{time.monotonic_ns()}")
    child = os.fork()
    if child == 0:
        ended = run_forked(arguments, world.folder, None, {"NIGHTCAST_STORE": str(world.store)})
        log.write_text(ended.output)
        os._exit(ended.code if ended.code >= 0 else 99)

    def wait():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code, log.read_text()

    return wait


def nightly(world, as_of=NIGHT):
    return ("nightly", str(world.spec), "--as-of", as_of, "--no-server")


@pytest.mark.slow
def test_two_runs_of_one_night_publish_it_once(world, undisturbed):
    ended = [wait() for wait in [start(world, *nightly(world)) for _ in range(2)]]
    assert [code for code, _ in ended] == [0, 0], ended
    assert violations(world) == []
    assert differences(world.lasting(), undisturbed) == []


@pytest.mark.slow
def test_a_night_and_a_backfill_of_it_publish_the_same_bytes(world):
    night = nightly(world, f"{NIGHT}T03:00Z")  # as the schedule would run it
    assert world.run(*night).code == 0
    alone = world.lasting()
    world.reset()
    backfill = ("backfill", str(world.spec), "--from", NIGHTS[0], "--to", NIGHT, "--no-server")
    ended = [wait() for wait in [start(world, *night), start(world, *backfill)]]
    assert [code for code, _ in ended] == [0, 0], ended
    assert violations(world) == []
    assert differences(world.lasting(), alone) == []


@pytest.mark.slow
def test_maintenance_beside_nights_loses_nothing(world, undisturbed):
    night = start(world, *nightly(world))
    for _ in range(6):
        for arguments in (("fsck",), ("gc", "--keep", "30d", "--apply"), ("doctor",), ("fsck", "--repair")):
            ended = world.run(*arguments)
            assert "Traceback" not in ended.output, ended.output
    code, output = night()
    assert code == 0, output
    assert violations(world) == []
    assert differences(world.lasting(), undisturbed) == []
    assert world.run("fsck").code == 0


@pytest.mark.slow
def test_holder_of_the_lease_that_is_stopped_cannot_write_later(world, undisturbed):
    """A suspended run (SIGSTOP) outlives its lease; another takes over, and the first may not write when it wakes."""
    environment = {"NIGHTCAST_STORE": str(world.store), "NIGHTCAST_LEASE_SECONDS": "2"}
    warm_up()
    log = world.folder.with_name("stopped.log")
    child = os.fork()
    if child == 0:

        def stop_in_train():
            from tasks.training import train

            work = train.fn

            def stop(**inputs):
                os.kill(os.getpid(), signal.SIGSTOP)
                return work(**inputs)

            train.fn = stop

        from tests.faults.harness import _become_command

        with log.open("w") as output:
            _become_command(nightly(world), world.folder, stop_in_train, environment, output.fileno())
    os.waitpid(child, os.WUNTRACED)  # it stands still inside its step
    second = world.night(NIGHT, environment={"NIGHTCAST_LEASE_SECONDS": "2"})
    assert second.code == 0, second.output
    os.kill(child, signal.SIGCONT)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 1, log.read_text()
    assert "this run can no longer write to pipeline 'ports'" in log.read_text()
    assert output_violations(second) == []
    assert violations(world) == []
    assert differences(world.lasting(), undisturbed) == []
