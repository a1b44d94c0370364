"""One writer per pipeline: a lease in the store, and a fence that rejects writes of an earlier owner.

leases/pipeline=<name>/000000000007.json     the highest number is the lease; no file while no run writes

acquire ──no lease, or its owner has exited──> create the next number, exclusively ──> delete the older ones
write ──take the write lock── is the highest number still this lease, and in time? ──> write ──> release the lock

An owner counts as gone when its process has exited, or when its lease was not renewed for its length while this process
watched: clocks of other machines are not trusted. On a local store a file lock holds between check and write. Object
stores have no locks: one run wins by a conditional PUT, and an owner that is stopped exactly between its check and its
PUT can still finish that PUT.
"""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, Field, ValidationError

from data_contracts.errors import LeaseHeld, LeaseLost
from data_contracts.spec import Spec
from tasks.storage import files
from tasks.storage.layout import lease_lock_uri, lease_uri, leases_dir
from tasks.storage.object_stores import StoreUnreachable
from tasks.storage.process_identity import ProcessIdentity, has_exited

log = logging.getLogger("nightcast")

POLL_INTERVAL_S, RENEWALS_PER_LEASE = 0.5, 5  # the interval between two reads of another run's lease
MAX_LEASE_S = 3600.0  # also for a record that claims more: a damaged one must not stop every later night
LOCK_TIMEOUT_S = 60.0  # another run holds the write lock for an instant only
Moment = Annotated[AwareDatetime, Field(gt=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))]


class LeaseSettings(Spec):
    """How long a lease is valid without renewal, and how long a run waits for that of another run, in seconds."""

    seconds: float = Field(120.0, gt=0, le=MAX_LEASE_S)
    wait: float = Field(3600.0, ge=0)


class TimeSource(NamedTuple):
    """The wall clock, for messages; a monotonic clock, for durations; a sleep function."""

    now: Callable[[], datetime]
    steady: Callable[[], float]
    sleep: Callable[[float], None]


SYSTEM_TIME = TimeSource(lambda: datetime.now(UTC), time.monotonic, time.sleep)


class LeaseRecord(Spec):
    """The content of a lease file."""

    token: int
    owner: ProcessIdentity
    seconds: float
    taken: Moment
    expires: Moment

    @property
    def description(self) -> str:
        """Describe owner, start and expiry for a message."""
        since, until = _utc(self.taken), _utc(self.expires)
        return f"{self.owner.description}, since {since}; its lease holds until {until} if not renewed"


class Observation(NamedTuple):
    """The highest lease number of a pipeline at one moment, and its lease if it could be read."""

    number: int
    record: LeaseRecord | None


class Lease:
    """The right to write to one pipeline. `fenced_write` guards each write; `renew` extends the right."""

    def __init__(
        self, root: str, pipeline: str, held: LeaseRecord, clock: TimeSource = SYSTEM_TIME, renewed: float | None = None
    ) -> None:
        self.root, self.pipeline, self.clock, self.held = root, pipeline, clock, held
        self.before: LeaseRecord | None = None
        self._renewed = clock.steady() if renewed is None else renewed
        self._lost, self._lock, self._depth = "", threading.RLock(), 0

    @contextlib.contextmanager
    def fenced_write(self) -> Iterator[None]:
        """Guard one write. Raises LeaseLost, with nothing written, if the lease is lost."""
        with self._lock:
            if self._depth:  # part of a larger write
                yield
                return
            with _write_lock(self.root, self.pipeline, LOCK_TIMEOUT_S):
                self.check()
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1

    def check(self) -> None:
        """Raise LeaseLost, now and at every later call, if another run took the lease or it expired."""
        self._lost = self._lost or self._why_lost()
        if self._lost:
            raise LeaseLost(self.pipeline, self._lost)

    def _why_lost(self) -> str:
        newest = max(lease_numbers(self.root, self.pipeline), default=0)
        current = read(self.root, self.pipeline, newest)
        if newest > self.held.token or (current and current.owner != self.held.owner):
            by = f" by {current.owner.description} at {_utc(current.taken)}" if current else ""
            return f"was taken over{by}"
        if newest < self.held.token or not current:
            return "is gone from the store: another run had taken it over, or it was deleted"
        age = self.clock.steady() - self._renewed
        if age >= self.held.seconds:
            return f"expired {age - self.held.seconds:.0f} s ago: this process was stopped, or could not renew it"
        return ""

    def renew(self) -> None:
        """Extend the lease by its length. Raises LeaseLost if it is too late."""
        with self.fenced_write():
            renewed, expires = self.clock.steady(), self.clock.now() + timedelta(seconds=self.held.seconds)
            extended = self.held.model_copy(update={"expires": expires})
            files.write(self.root, lease_uri(self.pipeline, extended.token), _to_bytes(extended))
            self.held, self._renewed = extended, renewed

    def release(self) -> None:
        """Delete the lease from the store, if this run still holds it."""
        with contextlib.suppress(LeaseLost, OSError, StoreUnreachable), self.fenced_write():
            files.remove(self.root, lease_uri(self.pipeline, self.held.token))


@contextlib.contextmanager
def hold_lease(root: str, pipeline: str, owner: ProcessIdentity, settings: LeaseSettings) -> Iterator[Lease]:
    """Hold the lease of a pipeline, which a thread renews. Raises LeaseHeld if another run keeps it."""
    lease = acquire(root, pipeline, owner, settings)
    done = threading.Event()

    def renew_until_done() -> None:
        while not done.wait(settings.seconds / RENEWALS_PER_LEASE):
            try:
                lease.renew()
            except LeaseLost:
                return  # the next write says why
            except Exception as error:  # noqa: BLE001 - the store may answer at the next renewal
                log.warning("the lease of %s could not be renewed: %s", pipeline, error)

    thread = threading.Thread(target=renew_until_done, name=f"lease of {pipeline}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        if not isinstance(sys.exception(), StoreUnreachable):  # each call would wait: the lease expires instead
            thread.join(LOCK_TIMEOUT_S)
            lease.release()


def acquire(
    root: str, pipeline: str, owner: ProcessIdentity, settings: LeaseSettings, clock: TimeSource = SYSTEM_TIME
) -> Lease:
    """Acquire the lease once it is free. Raises LeaseHeld, with owner and expiry, after `settings.wait` seconds."""
    moments = free_moments(root, pipeline, settings, clock)
    return next(lease for seen in moments if (lease := _take(root, pipeline, seen, owner, settings, clock)))


def free_moments(root: str, pipeline: str, settings: LeaseSettings, clock: TimeSource) -> Iterator[Observation]:
    """Yield an observation whenever the lease is free. Raises LeaseHeld after `settings.wait` seconds."""
    started = unchanged_since = clock.steady()
    last_seen: LeaseRecord | None = None
    while True:
        newest = max(lease_numbers(root, pipeline), default=0)
        current = read(root, pipeline, newest)
        if current != last_seen:
            if current and not last_seen and not has_exited(current.owner):
                log.info("waiting for %s: %s", pipeline, current.description)
            last_seen, unchanged_since = current, clock.steady()
        watched = clock.steady() - unchanged_since
        if not current or has_exited(current.owner) or watched > min(current.seconds, MAX_LEASE_S):
            yield Observation(newest, current)
        waited = clock.steady() - started
        if waited >= settings.wait:
            raise LeaseHeld(pipeline, current.description if current else "a run that is starting", waited)
        clock.sleep(min(POLL_INTERVAL_S, settings.wait - waited))


def holder(root: str, pipeline: str) -> LeaseRecord | None:
    """Return the lease of a pipeline, whether its owner is alive or not; None if no run holds it."""
    return read(root, pipeline, max(lease_numbers(root, pipeline), default=0))


def lease_numbers(root: str, pipeline: str) -> list[int]:
    """Return the numbers of all leases of a pipeline, unordered."""
    names = (uri.rsplit("/", 1)[-1].removesuffix(".json") for uri in files.list_files(root, leases_dir(pipeline)))
    return [int(name) for name in names if name.isdecimal()]


def read(root: str, pipeline: str, token: int) -> LeaseRecord | None:
    """Return the lease with this number; None if it does not exist or is torn."""
    try:
        return LeaseRecord.model_validate_json(files.read(root, lease_uri(pipeline, token)))
    except (FileNotFoundError, ValidationError):
        return None


def _take(
    root: str, pipeline: str, observed: Observation, owner: ProcessIdentity, settings: LeaseSettings, clock: TimeSource
) -> Lease | None:
    """Create the next lease; None if another run was faster, or is in the middle of a write."""
    newest, current = observed
    started, now, length = clock.steady(), clock.now(), timedelta(seconds=settings.seconds)
    record = LeaseRecord(token=newest + 1, owner=owner, seconds=settings.seconds, taken=now, expires=now + length)
    try:
        with _write_lock(root, pipeline, 0.0):
            if read(root, pipeline, newest) != current:  # renewed or released after it was observed
                return None
            if not files.write(root, lease_uri(pipeline, record.token), _to_bytes(record), only_if_absent=True):
                existing = read(root, pipeline, record.token)  # this run's, if the answer to its PUT was lost
                if not existing or existing.owner != owner:
                    return None
            numbers = lease_numbers(root, pipeline)
            if max(numbers, default=0) != record.token:
                return None
            for number in numbers:
                if number != record.token:
                    files.remove(root, lease_uri(pipeline, number))
    except files.FileLocked:
        return None
    lease = Lease(root, pipeline, record, clock, started)
    lease.before = current
    return lease


def _write_lock(root: str, pipeline: str, timeout: float) -> contextlib.AbstractContextManager[None]:
    return files.locked(root, lease_lock_uri(pipeline), timeout)


def _to_bytes(held: LeaseRecord) -> bytes:
    return held.model_dump_json(indent=1).encode() + b"\n"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
