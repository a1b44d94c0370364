"""One writer per pipeline: a lease in the store, and a fence that an older owner can't commit past.

leases/pipeline=<name>/000000000007.json     the newest number is the lease; there is none while nobody writes

take  ──nobody has it, or whoever had it is gone──> create the next number, exclusively ──> mine; older ones go
write ──door shut to takers── is the newest still mine, and held in time? ──> write ──> door open

An owner is gone when its process is dead, or when its lease has not moved for its whole length while somebody watched:
no clock of another machine is believed. Local stores: the door is a file lock, so no taker comes between check and
write. Object stores have no door: one taker wins by a conditional PUT, and an owner that stops exactly between its
check and its PUT can still finish that one PUT.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import Field, ValidationError

from data_contracts.errors import LeaseHeld, LeaseLost
from data_contracts.spec import Spec
from tasks.storage import files
from tasks.storage.layout import lease_lock_uri, lease_uri, leases_dir
from tasks.storage.process_identity import ProcessIdentity, has_exited

log = logging.getLogger("nightcast")

POLL_INTERVAL_S = 0.5  # seconds between two looks at somebody else's lease
RENEWALS_PER_LEASE = 5  # renewals in the length of one lease
LOCK_TIMEOUT_S = 60.0  # seconds that a writer waits for the door, which a taker shuts for an instant


class LeaseSettings(Spec):
    """How long a lease holds without being renewed, and how long a run waits for somebody else's, in seconds."""

    seconds: float = Field(120.0, gt=0)
    wait: float = Field(3600.0, ge=0)


class TimeSource(NamedTuple):
    """The time of day, to be shown; a time that only grows, to be trusted; a pause."""

    now: Callable[[], datetime]
    steady: Callable[[], float]
    sleep: Callable[[float], None]


SYSTEM_TIME = TimeSource(lambda: datetime.now(UTC), time.monotonic, time.sleep)


class LeaseRecord(Spec):
    """What a lease file says."""

    token: int
    owner: ProcessIdentity
    seconds: float
    taken: datetime
    expires: datetime

    @property
    def told(self) -> str:
        return f"{self.owner.told}, since {_at(self.taken)}; its lease holds until {_at(self.expires)} if not renewed"


class Lease:
    """The right to write to one pipeline. `committing` guards each write; `renew` keeps the right."""

    def __init__(
        self, root: str, pipeline: str, held: LeaseRecord, clock: TimeSource = SYSTEM_TIME, begun: float | None = None
    ) -> None:
        self.root, self.pipeline, self.clock = root, pipeline, clock
        self.held = held
        self.before: LeaseRecord | None = None
        self._renewed = clock.steady() if begun is None else begun
        self._lost, self._alone, self._inside = "", threading.RLock(), 0

    @contextlib.contextmanager
    def fenced_write(self) -> Iterator[None]:
        """Do one write inside. Raises LeaseLost, with nothing written, where the right is gone."""
        with self._alone:
            if self._inside:  # a write that is part of a larger one
                yield
                return
            with _write_lock(self.root, self.pipeline, LOCK_TIMEOUT_S):
                self.check()
                self._inside += 1
                try:
                    yield
                finally:
                    self._inside -= 1

    def check(self) -> None:
        """Raises LeaseLost, now and ever after, once another owner has come or the lease has run out."""
        self._lost = self._lost or self._why_lost()
        if self._lost:
            raise LeaseLost(self.pipeline, self._lost)

    def _why_lost(self) -> str:
        newest = max(lease_numbers(self.root, self.pipeline), default=0)
        found = read(self.root, self.pipeline, newest)
        if newest > self.held.token or (found and found.owner != self.held.owner):
            return f"was taken over by {found.owner.told} at {_at(found.taken)}" if found else "was taken over"
        if newest < self.held.token or not found:
            return "is gone from the store: another run had taken it over, or somebody deleted it"
        silent = self.clock.steady() - self._renewed
        if silent >= self.held.seconds:
            return f"ran out {silent - self.held.seconds:.0f} s ago: this process was stopped, or could not renew it"
        return ""

    def renew(self) -> None:
        """Hold on for another length. Raises LeaseLost where it is too late."""
        with self.fenced_write():
            begun = self.clock.steady()
            expires = self.clock.now() + timedelta(seconds=self.held.seconds)
            later = self.held.model_copy(update={"expires": expires})
            files.write(self.root, lease_uri(self.pipeline, later.token), _bytes(later))
            self.held, self._renewed = later, begun

    def release(self) -> None:
        """Give the right back, if it is still ours; nothing of it stays in the store."""
        with contextlib.suppress(LeaseLost, OSError), self.fenced_write():
            files.remove(self.root, lease_uri(self.pipeline, self.held.token))


@contextlib.contextmanager
def hold_lease(root: str, pipeline: str, owner: ProcessIdentity, terms: LeaseSettings) -> Iterator[Lease]:
    """Write to a pipeline alone, while a thread renews the lease. Raises LeaseHeld where another run goes on."""
    lease = acquire(root, pipeline, owner, terms)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(terms.seconds / RENEWALS_PER_LEASE):
            try:
                lease.renew()
            except LeaseLost:
                return  # the next write says why
            except Exception as trouble:  # noqa: BLE001 - a store that does not answer now may answer at the next beat
                log.warning("the lease of %s could not be renewed: %s", pipeline, trouble)

    thread = threading.Thread(target=beat, name=f"lease of {pipeline}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        done.set()
        thread.join(LOCK_TIMEOUT_S)
        lease.release()


def acquire(
    root: str, pipeline: str, owner: ProcessIdentity, terms: LeaseSettings, clock: TimeSource = SYSTEM_TIME
) -> Lease:
    """Take the lease once it is free. Raises LeaseHeld, naming owner and expiry, after `terms.wait` seconds."""
    begun = still_since = clock.steady()
    seen: LeaseRecord | None = None
    while True:
        newest = max(lease_numbers(root, pipeline), default=0)
        current = read(root, pipeline, newest)
        if current != seen:
            if current and not seen and not has_exited(current.owner):
                log.info("waiting for %s: %s", pipeline, current.told)
            seen, still_since = current, clock.steady()
        if not current or has_exited(current.owner) or clock.steady() - still_since > current.seconds:
            lease = _take(root, pipeline, (newest, current), owner, terms, clock)
            if lease:
                return lease
        waited = clock.steady() - begun
        if waited >= terms.wait:
            raise LeaseHeld(pipeline, current.told if current else "a run that is starting", waited)
        clock.sleep(min(POLL_INTERVAL_S, terms.wait - waited))


def holder(root: str, pipeline: str) -> LeaseRecord | None:
    """Who has the lease of a pipeline, dead or alive."""
    newest = max(lease_numbers(root, pipeline), default=0)
    return read(root, pipeline, newest) if newest else None


def lease_numbers(root: str, pipeline: str) -> list[int]:
    """Every number that there is, in no order."""
    names = (uri.rsplit("/", 1)[-1].removesuffix(".json") for uri in files.list_files(root, leases_dir(pipeline)))
    return [int(name) for name in names if name.isdecimal()]


def read(root: str, pipeline: str, token: int) -> LeaseRecord | None:
    """The lease of a number; None where there is none, or it is torn: nobody can be asked about it then."""
    try:
        return LeaseRecord.model_validate_json(files.read(root, lease_uri(pipeline, token)))
    except (FileNotFoundError, ValidationError):
        return None


def _take(
    root: str,
    pipeline: str,
    looked: tuple[int, LeaseRecord | None],
    owner: ProcessIdentity,
    terms: LeaseSettings,
    clock: TimeSource,
) -> Lease | None:
    """The lease, if nobody came first, and nobody is in the middle of a write."""
    newest, current = looked
    begun, now = clock.steady(), clock.now()
    until = now + timedelta(seconds=terms.seconds)
    mine = LeaseRecord(token=newest + 1, owner=owner, seconds=terms.seconds, taken=now, expires=until)
    try:
        with _write_lock(root, pipeline, 0.0):
            if read(root, pipeline, newest) != current:  # renewed, or given back, after the look
                return None
            if not files.write(root, lease_uri(pipeline, mine.token), _bytes(mine), only_if_absent=True):
                again = read(root, pipeline, mine.token)  # ours, where the answer was lost after the commit
                if not again or again.owner != owner:
                    return None
            there = lease_numbers(root, pipeline)
            if max(there, default=0) != mine.token:
                return None
            for old in there:
                if old != mine.token:
                    files.remove(root, lease_uri(pipeline, old))
    except files.FileLocked:
        return None
    lease = Lease(root, pipeline, mine, clock, begun)
    lease.before = current
    return lease


def _write_lock(root: str, pipeline: str, patience: float) -> contextlib.AbstractContextManager[None]:
    return files.locked(root, lease_lock_uri(pipeline), patience)


def _bytes(held: LeaseRecord) -> bytes:
    return held.model_dump_json(indent=1).encode() + b"\n"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
