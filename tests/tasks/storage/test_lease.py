"""One writer per pipeline, whatever process dies, stops or races; an earlier owner cannot write after a later one."""

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
    """A clock that advances only by sleeping; `on_sleep` is called meanwhile."""

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
    """A process on another machine."""
    return current_process(run).model_copy(update={"host": "far-away", "machine": "other"})


def dead(run="nightly shop"):
    """A process of this machine that has exited."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return current_process(run).model_copy(update={"pid": ended.pid, "started": "1"})


def test_released_lease_leaves_no_file(root):
    with hold_lease(root, "shop", current_process("nightly shop"), LONG):
        assert lease_numbers(root, "shop") == [1]
    assert lease_numbers(root, "shop") == []


def test_second_run_is_refused_with_owner_and_expiry(root):
    clock = Time().clock
    acquire(root, "shop", elsewhere("nightly shop as of 2024-03-10"), LONG, clock)
    with pytest.raises(LeaseHeld) as refused:
        acquire(root, "shop", current_process("backfill shop"), LONG, clock)
    told = str(refused.value)
    assert f"nightly shop as of 2024-03-10 (process {os.getpid()} on far-away)" in told
    assert "its lease holds until 2024-03-10 00:02:00 UTC" in told
    assert "NIGHTCAST_LEASE_WAIT" in told


def test_pipelines_do_not_wait_for_each_other(root):
    with (
        hold_lease(root, "shop", current_process("nightly shop"), LONG),
        hold_lease(root, "ports", current_process("nightly ports"), LONG),
    ):
        assert holder(root, "ports").owner.run == "nightly ports"


def test_lease_of_a_dead_process_is_taken_at_once(root):
    acquire(root, "shop", dead(), LONG)
    lease = acquire(root, "shop", current_process("nightly shop"), LONG)
    assert lease.before.owner.run == "nightly shop"
    assert lease_numbers(root, "shop") == [2]


def test_lease_of_another_machine_is_taken_after_its_length_without_renewal(root):
    time_ = Time()
    acquire(root, "shop", elsewhere(), LONG, time_.clock)
    acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=200), time_.clock)
    assert 120 < time_.seconds < 122


@pytest.mark.parametrize("claimed", ["1e12", "1e308"])
def test_record_that_claims_an_endless_lease_is_believed_for_an_hour(root, claimed):
    clock = Time()
    acquire(root, "shop", elsewhere(), LONG, clock.clock)
    path = Path(root) / "leases/pipeline=shop/000000000001.json"
    path.write_text(path.read_text().replace('"seconds": 120.0', f'"seconds": {claimed}'))
    acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=4000), clock.clock)
    assert 3600 < clock.seconds < 3602


def test_renewed_lease_is_never_taken(root):
    time_ = Time()
    lease = acquire(root, "shop", elsewhere(), LONG, time_.clock)
    time_.on_sleep = lease.renew
    with pytest.raises(LeaseHeld, match="Waited 400 s"):
        acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=400), time_.clock)


def test_jump_of_the_clock_does_not_expire_a_lease(root):
    time_ = Time()
    acquire(root, "shop", elsewhere(), LONG, time_.clock)
    ahead = time_.clock._replace(now=lambda: datetime(2025, 3, 10, tzinfo=UTC))
    with pytest.raises(LeaseHeld):
        acquire(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=120, wait=60), ahead)


def test_earlier_owner_cannot_write_after_a_later_one(root):
    old = acquire(root, "shop", dead(), LONG)
    store = Store(root=root).with_lease(old)
    assert store.write_json("runs/pipeline=shop/1.json", {"by": "old"})
    acquire(root, "shop", current_process("backfill shop"), LONG)
    with pytest.raises(LeaseLost, match="taken over by backfill shop"):
        store.write_json("runs/pipeline=shop/1.json", {"by": "old again"})
    assert store.read_json("runs/pipeline=shop/1.json") == {"by": "old"}


def test_earlier_owner_cannot_move_the_alias(root):
    old = acquire(root, "shop", dead(), LONG)
    acquire(root, "shop", current_process("backfill shop"), LONG)
    moved = []
    with pytest.raises(LeaseLost), Store(root=root).with_lease(old).fenced_write():
        moved.append("champion")
    assert moved == []


def test_earlier_owner_is_refused_after_the_later_one_has_finished(root):
    old = acquire(root, "shop", dead(), LONG)
    acquire(root, "shop", current_process("backfill shop"), LONG).release()
    with pytest.raises(LeaseLost, match="gone from the store"):
        old.check()
    third = acquire(root, "shop", current_process("nightly shop"), LONG)
    assert third.held.token == old.held.token  # the number alone would let the first owner in
    with pytest.raises(LeaseLost):
        old.check()


def test_content_addressed_write_needs_no_lease(root):
    old = acquire(root, "shop", dead(), LONG)
    acquire(root, "shop", current_process("backfill shop"), LONG)
    assert Store(root=root).with_lease(old).put_bytes(b"1", "note", "txt").uri.startswith("artifacts/note/")


def test_owner_that_did_not_renew_is_refused_even_without_a_successor(root):
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


def test_lease_is_not_taken_during_a_write(root):
    lease = acquire(root, "shop", dead(), LONG)
    with lease.fenced_write(), pytest.raises(LeaseHeld):
        acquire(root, "shop", current_process("backfill shop"), LONG)
    assert acquire(root, "shop", current_process("backfill shop"), LONG).held.token == 2


def test_finished_run_does_not_fail_if_the_write_lock_is_held_at_release(root, monkeypatch):
    monkeypatch.setattr("tasks.storage.lease.LOCK_TIMEOUT_S", 0.05)
    lease = acquire(root, "shop", current_process("nightly shop"), LONG)
    other = acquire(root, "ports", current_process("nightly ports"), LONG)
    with files.locked(root, "leases/pipeline=shop/.door", 0):
        lease.release()
    other.release()
    assert lease_numbers(root, "shop") == [1]  # it stays until somebody takes it over


def test_torn_lease_has_no_owner(root):
    (Path(root) / "leases/pipeline=shop").mkdir(parents=True)
    (Path(root) / "leases/pipeline=shop/000000000004.json").write_text("{")
    assert acquire(root, "shop", current_process("nightly shop"), LONG).held.token == 5
    assert lease_numbers(root, "shop") == [5]


def test_process_with_a_reused_id_is_another_process():
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
    end = time.monotonic() + 30
    while len(list(start.parent.glob("refused-*"))) < 3 and time.monotonic() < end:  # the lease of the dead is free
        time.sleep(0.01)
except LeaseHeld:
    print("refused")
    start.with_name(f"refused-{number}").touch()
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


def test_exactly_one_of_four_concurrent_processes_gets_the_lease(root, tmp_path):
    assert race(root, tmp_path, {}) == ["refused", "refused", "refused", "won 1"]


def test_exactly_one_of_four_concurrent_processes_gets_the_lease_in_a_bucket(s3, tmp_path, monkeypatch):
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
    time.sleep(0.5)  # it is stopped here: inside a write it would keep the write lock
    try:
        for number in range(400):
            store.write_json("latest/pipeline=shop/n.json", {"by": "the stopped one", "n": number})
            time.sleep(0.02)
    except LeaseLost as lost:
        print(lost, flush=True)
"""


def test_owner_that_was_stopped_past_its_expiry_writes_nothing(root):
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


def test_run_longer_than_its_lease_keeps_it(root):
    with hold_lease(root, "shop", current_process("nightly shop"), LeaseSettings(seconds=0.5, wait=0)) as lease:
        time.sleep(1.5)
        lease.check()
        with pytest.raises(LeaseHeld):
            acquire(root, "shop", elsewhere(), LeaseSettings(seconds=0.5, wait=1))
