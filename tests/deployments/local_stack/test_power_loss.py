"""kill -9 during a night: the run, the server, the runner, then everything at once, and the recovery."""

import re

import psutil
import pytest

from tests.deployments.conftest import Up, in_two_minutes, small_world, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
NIGHTS = [f"2024-01-{day}T03:00:00Z" for day in (27, 28, 29, 30)]
LONG_TRAINING_EPOCHS = 1200  # training takes long enough to be killed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Bytes of each table that four undisturbed nights publish, by vintage."""
    folder = small_world(tmp_path_factory.mktemp("calm"), "small", epochs=LONG_TRAINING_EPOCHS, end="2024-01-31")
    stack = Up(folder)
    for night in NIGHTS:
        done = stack.nightcast("nightly", "small", "--as-of", night)
        assert done.returncode == 0, done.stderr
    return published(folder)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = small_world(tmp_path_factory.mktemp("power"), "small", epochs=LONG_TRAINING_EPOCHS, end="2024-01-31")
    stack = Up(folder).start()
    yield stack
    stack.stop()


def published(folder):
    found = sorted((folder / "store/forecasts/pipeline=small").glob("vintage=*/forecasts.parquet"))
    return {path.parent.name: path.read_bytes() for path in found}


def in_training(stack, night):
    """Start a night and return its run id while a network is being trained."""
    cut = set((stack.folder / "store/cache/cut_windows").glob("*.json"))
    run = stack.run("nightly/small", as_of=night)
    until(
        lambda: set((stack.folder / "store/cache/cut_windows").glob("*.json")) - cut, 120, lambda: stack.log("runner")
    )
    return run


def engine(stack):
    return next(process for process in stack.family() if "prefect.engine" in " ".join(process.cmdline()))


def test_killed_run_is_crashed_and_its_rerun_publishes_the_same_bytes(stack, undisturbed):
    run = in_training(stack, NIGHTS[0])
    engine(stack).kill()
    assert stack.wait_for(run, "CRASHED", "COMPLETED")["state"]["type"] == "CRASHED"
    assert published(stack.folder) == {}
    again = stack.wait_for(stack.run("nightly/small", as_of=NIGHTS[0]), "CRASHED", "COMPLETED", "FAILED")
    assert again["state"]["type"] == "COMPLETED"
    assert published(stack.folder) == dict(list(undisturbed.items())[:1])
    notices = stack.folder / ".prefect/notices.log"
    until(notices.exists, 60)
    assert "a run failed · small 2024-01-27 03:00 Crashed" in notices.read_text()


def test_night_survives_a_restart_of_its_server(stack, undisturbed):
    run = in_training(stack, NIGHTS[1])
    stack.child("deployments.server.prefect_server").kill()
    found = stack.wait_for(run, "CRASHED", "COMPLETED", "FAILED")
    assert found["state"]["type"] == "COMPLETED"
    assert published(stack.folder) == dict(list(undisturbed.items())[:2])
    assert "server died (SIGKILL)" in (stack.folder / "up.err").read_text()


def test_night_outlives_its_runner(stack, undisturbed):
    """The pipe to which the night prints breaks with the runner; `up` says so and starts another."""
    run = in_training(stack, NIGHTS[2])
    killed = stack.child("deployments.server.runner")
    killed.kill()
    found = stack.wait_for(run, "CRASHED", "COMPLETED", "FAILED")
    assert found["state"]["type"] == "COMPLETED"
    assert published(stack.folder) == dict(list(undisturbed.items())[:3])
    assert "runner died (SIGKILL), restarts in" in (stack.folder / "up.err").read_text()
    until(lambda: stack.child("deployments.server.runner").pid != killed.pid, 60)
    again = stack.wait_for(stack.run("nightly/small", as_of=NIGHTS[2]), "CRASHED", "COMPLETED", "FAILED")
    assert again["state"]["type"] == "COMPLETED", "the new runner takes runs"


def test_doctor_reports_a_power_loss_and_backfill_recovers(stack, undisturbed):
    run = in_training(stack, NIGHTS[3])
    worker = engine(stack)
    stack.lose_power()
    assert not worker.is_running()
    result = stack.nightcast("doctor", "small", "--as-of", "2024-01-30T12:00Z")
    assert result.returncode == 1
    assert re.search(r"✗ small +nightly small as of 2024-01-30.*died during the run", result.stdout)
    assert re.search(r"✗ small +1 night was missed: 2024-01-30 03:00", result.stdout)
    assert re.search(r"✗ prefect +nightcast up was killed and did not stop cleanly", result.stdout)

    stack.start()
    assert stack.run_of(run)["state"]["type"] == "CRASHED"
    done = stack.nightcast("backfill", "small", "--from", "2024-01-27", "--to", "2024-01-30")
    assert done.returncode == 0, done.stderr
    assert "1 nights published, 3 already published" in done.stdout
    assert published(stack.folder) == undisturbed
    healthy = stack.nightcast("doctor", "small", "--as-of", "2024-01-30T12:00Z")
    assert (healthy.returncode, healthy.stdout.splitlines()[-1]) == (0, "healthy")


def test_next_scheduled_night_runs_after_a_power_loss(tmp_path):
    folder = small_world(tmp_path, "small", epochs=LONG_TRAINING_EPOCHS, cron=in_two_minutes())
    stack = Up(folder).start()
    in_training(stack, None)  # a manually started night is running when the power fails
    stack.lose_power()
    assert psutil.pid_exists(stack.process.pid) is False
    stack.start()
    try:
        until(lambda: published(folder), 300, lambda: stack.log("runner")[-3000:])
        (vintage,) = published(folder)
        assert vintage.endswith("00Z")
    finally:
        stack.stop()
