"""One writer per pipeline, whatever dies, stops or races; an older owner commits nothing past a newer one."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from data_contracts.errors import LeaseHeld, LeaseLost
from tasks.storage import files
from tasks.storage.lease import LeaseSettings, TimeSource, acquire, hold_lease, holder, lease_numbers
from tasks.storage.process_identity import current_process, has_exited
from tasks.storage.store import Store

LONG = LeaseSettings(seconds=120, wait=0)


class Time:
    """A clock that stands still until somebody sleeps; `on_sleep` is what the rest of the world does meanwhile."""

    def __init__(self):
        self.seconds, self.on_sleep = 0.0, lambda: None

    def sleep(self, seconds):
        self.seconds += seconds
        self.on_sleep()

    @property
    def clock(self):
        begun = datetime(2024, 3, 10, tzinfo=UTC)
        return TimeSource(lambda: begun + timedelta(seconds=self.seconds), lambda: self.seconds, self.sleep)


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "store")


def elsewhere(run="nightly shop"):
    """A process on a machine that this one can't look into."""
    return current_process(run).model_copy(update={"host": "far-away", "machine": "other"})


def dead(run="nightly shop"):
    """A process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return current_process(run).model_copy(update={"pid": ended.pid, "started": "1"})


def test_a_lease_that_was_given_back_leaves_nothing_behind(root):
    with hold_lease(root, "shop", current_process("nightly shop"), LONG):
        assert lease_numbers(root, "shop") == [1]
    assert lease_numbers(root, "shop") == []


def test_a_second_run_is_refused_and_told_who_writes_and_until_when(root):
    clock = Time().clock
    acquire(root, "shop", elsewhere("nightly shop as of 2024-03-10"), LONG, clock)
    with pytest.raises(LeaseHeld) as refused:
        acquire(root, "shop", current_process("backfill shop"), LONG, clock)
    told = str(refused.value)
    assert f"nightly shop as of 2024-03-10 (process {os.getpid()} on far-away)" in told
    assert "its lease holds until 2024-03-10 00:02:00 UTC" in told
    assert "NIGHTCAST_LEASE_WAIT" in told


def test_pipelines_do_not_wait_for_one_another(root):
    with (
        hold_lease(root, "shop", current_process("nightly shop"), LONG),
        hold_lease(root, "ports", current_process("nightly ports"), LONG),
    ):
        assert holder(root, "ports").owner.run == "nightly ports"


def test_the_lease_of_a_dead_process_is_taken_at_once(root):
    acquire(root, "shop", dead(), LONG)
    lease = acquire(root, "shop", current_process("nightly shop"), LONG)
    assert lease.before.owner.run == "nightly shop"
    assert lease_numbers(root, "shop") == [2]


def test_a_lease_of_another_machine_is_taken_once_it_has_not_moved_for_its_length(root):
    time_ = Time()
    acquire(root, "shop", elsewhere(), LONG, time_.clock)
    acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=200), time_.clock)
    assert 120 < time_.seconds < 122


def test_a_lease_that_is_renewed_is_never_taken(root):
    time_ = Time()
    lease = acquire(root, "shop", elsewhere(), LONG, time_.clock)
    time_.on_sleep = lease.renew
    with pytest.raises(LeaseHeld, match="waited 1000 s"):
        acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=1000), time_.clock)


def test_a_clock_that_jumps_a_year_takes_no_lease_from_a_living_run(root):
    time_ = Time()
    acquire(root, "shop", elsewhere(), LONG, time_.clock)
    ahead = time_.clock._replace(now=lambda: datetime(2025, 3, 10, tzinfo=UTC))
    with pytest.raises(LeaseHeld):
        acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=60), ahead)


def test_an_older_owner_writes_nothing_past_a_newer_one(root):
    old = acquire(root, "shop", dead(), LONG)
    store = Store(root=root).with_lease(old)
    assert store.write_json("runs/pipeline=shop/1.json", {"by": "old"})
    acquire(root, "shop", current_process("backfill shop"), LONG)
    with pytest.raises(LeaseLost, match="taken over by backfill shop"):
        store.write_json("runs/pipeline=shop/1.json", {"by": "old again"})
    assert store.read_json("runs/pipeline=shop/1.json") == {"by": "old"}


def test_an_older_owner_moves_no_alias(root):
    old = acquire(root, "shop", dead(), LONG)
    acquire(root, "shop", current_process("backfill shop"), LONG)
    moved = []
    with pytest.raises(LeaseLost), Store(root=root).with_lease(old).fenced_write():
        moved.append("champion")
    assert moved == []


def test_an_older_owner_is_refused_after_the_newer_one_is_done_too(root):
    old = acquire(root, "shop", dead(), LONG)
    acquire(root, "shop", current_process("backfill shop"), LONG).release()
    with pytest.raises(LeaseLost, match="gone from the store"):
        old.check()
    third = acquire(root, "shop", current_process("nightly shop"), LONG)
    assert third.held.token == old.held.token  # the number alone would let the first owner in
    with pytest.raises(LeaseLost):
        old.check()


def test_what_is_named_by_its_content_needs_no_lease(root):
    old = acquire(root, "shop", dead(), LONG)
    acquire(root, "shop", current_process("backfill shop"), LONG)
    assert Store(root=root).with_lease(old).put_bytes(b"1", "note", "txt").uri.startswith("artifacts/note/")


def test_an_owner_that_was_silent_for_the_length_of_its_lease_is_refused_though_nobody_came(root):
    time_ = Time()
    lease = acquire(root, "shop", current_process("nightly shop"), LONG, time_.clock)
    time_.seconds = 119
    lease.check()
    time_.seconds = 130
    with pytest.raises(LeaseLost, match="expired 10 s ago"):
        lease.check()
    time_.seconds = 119
    with pytest.raises(LeaseLost, match="expired 10 s ago"):
        lease.renew()


def test_nobody_takes_a_lease_in_the_middle_of_a_write(root):
    lease = acquire(root, "shop", dead(), LONG)
    with lease.fenced_write(), pytest.raises(LeaseHeld):
        acquire(root, "shop", current_process("backfill shop"), LONG)
    assert acquire(root, "shop", current_process("backfill shop"), LONG).held.token == 2


def test_a_finished_run_does_not_fail_because_the_door_is_shut_when_it_gives_its_lease_back(root, monkeypatch):
    monkeypatch.setattr("tasks.storage.lease.LOCK_TIMEOUT_S", 0.05)
    lease = acquire(root, "shop", current_process("nightly shop"), LONG)
    other = acquire(root, "ports", current_process("nightly ports"), LONG)
    with files.locked(root, "leases/pipeline=shop/.door", 0):
        lease.release()
    other.release()
    assert lease_numbers(root, "shop") == [1]  # it stays until somebody takes it over


def test_a_torn_lease_belongs_to_nobody(root):
    (Path(root) / "leases/pipeline=shop").mkdir(parents=True)
    (Path(root) / "leases/pipeline=shop/000000000004.json").write_text("{")
    assert acquire(root, "shop", current_process("nightly shop"), LONG).held.token == 5
    assert lease_numbers(root, "shop") == [5]


def test_a_process_is_told_from_another_one_with_its_number():
    me = current_process("nightly shop")
    assert not has_exited(me)
    assert has_exited(me.model_copy(update={"started": "1"}))
    assert has_exited(me.model_copy(update={"pid": 2**22 + 1}))
    assert not has_exited(me.model_copy(update={"pid": 2**22 + 1, "host": "far-away"}))
    assert not has_exited(me.model_copy(update={"pid": 2**22 + 1, "space": "4026530000"}))


RACER = """
import sys, time
from pathlib import Path
from data_contracts.errors import LeaseHeld
from tasks.storage.lease import LeaseSettings, acquire
from tasks.storage.process_identity import current_process
root, start, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
Path(f"{start}-{number}").touch()
while not start.exists():
    time.sleep(0.001)
try:
    settings = LeaseSettings(seconds=120, wait=0)
    print("won", acquire(root, "shop", current_process(f"racer {number}"), settings).held.token)
    sys.stdout.flush()
    time.sleep(3)
except LeaseHeld:
    print("refused")
"""


def race(root, tmp_path, environment):
    words = [sys.executable, "-c", RACER, root, str(tmp_path / "go")]
    racers = [
        subprocess.Popen([*words, str(number)], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        for number in range(4)
    ]
    while len(list(tmp_path.glob("go-*"))) < 4:
        time.sleep(0.05)
    (tmp_path / "go").touch()
    return sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)


def test_of_four_processes_that_start_at_once_one_writes(root, tmp_path):
    assert race(root, tmp_path, {}) == ["refused", "refused", "refused", "won 1"]


def test_of_four_processes_that_start_at_once_one_writes_to_a_bucket(s3, tmp_path, monkeypatch):
    keys = {"AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", endpoint_url=s3, key="any", secret="any").mkdir("race")  # noqa: S106 - moto takes any
    assert race("s3://race/store", tmp_path, keys) == ["refused", "refused", "refused", "won 1"]


WRITER = """
import sys, time
from pathlib import Path
from data_contracts.errors import LeaseLost
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store
root = sys.argv[1]
with hold_lease(root, "shop", current_process("the stopped one"), LeaseSettings(seconds=1, wait=0)) as lease:
    store = Store(root=root).with_lease(lease)
    print("ready", flush=True)
    try:
        for number in range(400):
            store.write_json("latest/pipeline=shop/n.json", {"by": "the stopped one", "n": number})
            time.sleep(0.02)
    except LeaseLost as lost:
        print(lost, flush=True)
"""


def test_an_owner_that_was_stopped_past_its_lease_and_wakes_again_writes_nothing(root):
    stopped = subprocess.Popen([sys.executable, "-c", WRITER, root], stdout=subprocess.PIPE, text=True)
    assert stopped.stdout.readline() == "ready\n"
    stopped.send_signal(signal.SIGSTOP)
    try:
        with hold_lease(root, "shop", current_process("the next one"), LeaseSettings(seconds=30, wait=30)) as lease:
            store = Store(root=root).with_lease(lease)
            store.write_json("latest/pipeline=shop/n.json", {"by": "the next one"})
            stopped.send_signal(signal.SIGCONT)
            told = stopped.communicate(timeout=30)[0]
            assert "taken over by the next one" in told
            assert store.read_json("latest/pipeline=shop/n.json") == {"by": "the next one"}
    finally:
        stopped.kill()
        stopped.wait()


def test_a_run_longer_than_its_lease_keeps_it(root):
    with hold_lease(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=0.5, wait=0)) as lease:
        time.sleep(1.5)
        lease.check()
        with pytest.raises(LeaseHeld):
            acquire(root, "shop", elsewhere(), LeaseSettings(seconds=0.5, wait=1))
