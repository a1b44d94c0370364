"""Which nights are due by the schedule, and which of them have no forecasts in the store.

A night is due when the schedule fires. It counts as published if there is a vintage of the same date (in the schedule's
zone), as `--as-of` with a date or a run of cron makes it, that is not nearer to another firing of that date.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from cronsim import CronSim

from data_contracts.errors import SpecError, StoreDamaged
from tasks.storage.layout import forecasts_dir, parse_vintage, retraction_uri
from tasks.storage.retractions import list_retractions
from tasks.storage.store import Store

if TYPE_CHECKING:  # loads torch
    from flows.pipeline.heading import PipelineHeading
    from flows.pipeline.spec import PipelineSpec

Day = str | date | None
MAX_NIGHTS = 60  # for more nights, backfill needs a start


def scheduled_times(spec: "PipelineSpec | PipelineHeading", after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield every instant at which the schedule fires in (after, until], in UTC."""
    for moment in CronSim(spec.schedule.cron, after.astimezone(spec.schedule.zone)):
        if moment.astimezone(UTC) > until:
            return
        yield moment.astimezone(UTC)


def backfill_range(spec: "PipelineSpec", start: Day, end: Day, store: Store, now: datetime) -> list[datetime]:
    """Return the nights that `nightcast backfill` runs.

    Args:
        spec: The pipeline.
        start: First day or instant, in the schedule's zone. None: after the newest vintage.
        end: Last day (inclusive) or instant, in the schedule's zone. None: now.
        store: The store of the pipeline.
        now: The current time; later nights are not due.

    Returns:
        The scheduled times in UTC, oldest first.

    Raises:
        SpecError: Neither a start nor a vintage exists, too many nights were missed, or the start is after the end.
    """
    last = now if end is None else min(now, parse_last_moment(spec, str(end)))
    if start is None:
        published = [moment for moment in list_vintages(spec.name, store) if moment <= last]
        if not published:
            raise SpecError(
                f"pipeline {spec.name!r} has published nothing before {last:%Y-%m-%d %H:%M} UTC, so the first missed "
                "night is unknown. Give the first day, for example --from 2024-06-01."
            )
        nights = list(scheduled_times(spec, max(published), last))
        if len(nights) > MAX_NIGHTS:
            raise SpecError(
                f"{len(nights):,} nights were missed since {max(published):%Y-%m-%d %H:%M} UTC. To run more than "
                f"{MAX_NIGHTS}, give the first day: --from {nights[0].astimezone(spec.schedule.zone):%Y-%m-%d}."
            )
        return nights
    first = spec.parse_as_of(str(start), "--from")
    if first > last:
        raise SpecError(
            f"no night is due from {first:%Y-%m-%d %H:%M} UTC to {last:%Y-%m-%d %H:%M} UTC. Choose other days."
        )
    return list(scheduled_times(spec, first - timedelta(seconds=1), last))


def missing_nights(spec: "PipelineSpec | PipelineHeading", nights: list[datetime], store: Store) -> list[datetime]:
    """Return those of `nights` that have no undamaged vintage. A retracted vintage is not missing."""
    retracted = {moment: retraction_uri(spec.name, moment) for moment in list_retractions(spec.name, store)}
    published = list_vintages(spec.name, store) | retracted
    return [
        night
        for night in nights
        if not any(
            uri in retracted.values() or _is_intact(uri, store) for uri in _find_vintages(spec, night, published)
        )
    ]


def list_vintages(pipeline: str, store: Store) -> dict[datetime, str]:
    """Return as-of and file of every published vintage, oldest first."""
    files = {parse_vintage(uri): uri for uri in store.list_files(forecasts_dir(pipeline))}
    return {moment: files[moment] for moment in sorted(moment for moment in files if moment)}


def _find_vintages(
    spec: "PipelineSpec | PipelineHeading", night: datetime, published: dict[datetime, str]
) -> list[str]:
    """Return the vintages of a night: those of its date that lie nearer to it than to another firing of the schedule.

    A run of cron has the as-of of the moment at which it started, seconds after the schedule fires.
    """
    local = night.astimezone(spec.schedule.zone)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0)
    end = (begin.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=spec.schedule.zone)
    fired = list(scheduled_times(spec, begin - timedelta(seconds=1), end - timedelta(seconds=1)))
    earlier, later = (max((time for time in fired if time < night), default=None),
                      min((time for time in fired if time > night), default=None))  # fmt: skip
    first = begin if earlier is None else earlier + (night - earlier) / 2
    last = end if later is None else night + (later - night) / 2
    return [uri for moment, uri in published.items() if first <= moment < last]


def _is_intact(uri: str, store: Store) -> bool:
    try:
        store.table_at(uri, "forecasts")
    except StoreDamaged:
        return False
    return True


def parse_last_moment(spec: "PipelineSpec", end: str) -> datetime:
    """Return the instant of `--to`: the last second of a date; an instant as it is. Raises SpecError."""
    moment = spec.parse_as_of(end, "--to")
    if len(end.strip()) > len("2024-06-01"):
        return moment
    day = moment.astimezone(spec.schedule.zone).date() + timedelta(days=1)
    return spec.parse_as_of(day.isoformat()) - timedelta(seconds=1)
