"""Nights in the future: refused if a run asks for one, and reported if a store has one.

A clock or `--as-of` in the future once froze `latest/` and the aliases: every later night was older than that one.
"""

from datetime import UTC, datetime, timedelta, tzinfo

from data_contracts.errors import NightcastError, SpecError
from tasks.registration import TORN_DECISION
from tasks.registry.champions import unreadable_decisions
from tasks.storage.retractions import retraction_of
from tasks.storage.store import Store
from tasks.storage.vintages import MAX_AHEAD, nights_ahead

MAX_NAMED_NIGHTS = 3


def refuse_future(as_of: datetime, now: datetime, max_hours: float, zone: tzinfo = UTC) -> None:
    """Raise SpecError if a night lies ahead of the clock: nothing can be known up to it yet.

    Args:
        as_of: The as-of of the night.
        now: The time of the clock.
        max_hours: How far ahead an as-of may be, in hours, because clocks differ.
        zone: The zone of the schedule, in which a date is its midnight.

    Raises:
        SpecError: The as-of is farther ahead.
    """
    if as_of - now <= timedelta(hours=max_hours):
        return
    local = "" if zone == UTC else f" ({as_of.astimezone(zone):%Y-%m-%d %H:%M} in {zone})"
    raise SpecError(
        f"--as-of {as_of:%Y-%m-%d %H:%M} UTC{local} is in the future: the clock of this machine says "
        f"{now:%Y-%m-%d %H:%M} UTC, and at most {max_hours:g} h ahead are accepted (NIGHTCAST_MAX_FUTURE_HOURS). "
        "Choose an earlier as-of, leave it out to run the night of now, or correct the clock. With --force the night "
        f"runs; if it is more than {MAX_AHEAD / timedelta(hours=1):g} h ahead, latest/ and the alias do not follow it."
    )


class VintageRetracted(NightcastError):
    """The night would publish a vintage again that a person has retracted."""


def refuse_retracted(pipeline: str, argument: str, flow: str, as_of: datetime, store: Store) -> None:
    """Raise VintageRetracted if the flow would publish a vintage that was retracted."""
    retraction = retraction_of(pipeline, as_of, store) if flow in ("nightly", "forecast") else None
    if retraction:
        raise VintageRetracted(
            f"{retraction.sentence}. Nothing was published. To publish this night again on purpose: nightcast {flow} "
            f"{argument} --as-of {as_of:%Y-%m-%dT%H:%M:%SZ} --force"
        )


def future_notices(pipeline: str, as_of: datetime, now: datetime, store: Store) -> tuple[str, ...]:
    """Describe the nights of a store that lie in the future, and this night if it does."""
    notices = []
    if as_of > now + MAX_AHEAD:
        notices.append(f"this night is in the future ({now:%Y-%m-%d %H:%M} UTC is now): latest/ and the alias stay")
    others = sorted(moment for moment in nights_ahead(pipeline, now, store) if moment != as_of.replace(microsecond=0))
    if others:
        names = ", ".join(f"{moment:%Y-%m-%d %H:%M} UTC" for moment in others[:MAX_NAMED_NIGHTS])
        more = " …" if len(others) > MAX_NAMED_NIGHTS else ""
        notices.append(
            f"the store has {len(others)} night{'s' if len(others) > 1 else ''} in the future, which latest/ and the "
            f"alias ignore: {names}{more}; nightcast doctor lists the files to delete"
        )
    return tuple(notices)


def store_notices(pipeline: str, as_of: datetime, now: datetime, store: Store) -> tuple[str, ...]:
    """Describe the faults of the store that concern a night: torn decision records, and nights in the future."""
    torn = (f"decision record {uri} {TORN_DECISION}" for uri in unreadable_decisions(pipeline, as_of, store))
    return (*torn, *future_notices(pipeline, as_of, now, store))
