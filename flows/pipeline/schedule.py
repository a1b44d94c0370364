"""Which nights there are by the schedule, and which of them were missed: read from the store alone.

A night is due when the schedule fires. It is published where a vintage was made for it: at that instant, or earlier on
the same date (in the schedule's zone), as by `--as-of` with a date.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from cronsim import CronSim

from data_contracts.errors import SpecError, StoreDamaged
from flows.pipeline.spec import PipelineSpec
from tasks.storage.layout import forecasts_dir, parse_vintage
from tasks.storage.store import Store

Moment = str | date | None
MAX_NIGHTS = 60  # nights that are run without being asked for by their first date


def scheduled_times(spec: PipelineSpec, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every instant at which the schedule fires in (after, until], in UTC."""
    for moment in CronSim(spec.schedule.cron, after.astimezone(spec.schedule.zone)):
        if moment.astimezone(UTC) > until:
            return
        yield moment.astimezone(UTC)


def backfill_range(spec: PipelineSpec, start: Moment, end: Moment, store: Store, now: datetime) -> list[datetime]:
    """The nights of `nightcast backfill`, oldest first: all due from `start` to `end`, a date being the whole day.

    Without a start: those after the newest vintage. Without an end: up to now; no night is due in the future.
    Raises SpecError where that leaves the span open, or makes it absurdly long.
    """
    last = now if end is None else min(now, _end_of(spec, str(end)))
    if start is None:
        made = [moment for moment in vintages(spec.name, store) if moment <= last]
        if not made:
            raise SpecError(
                f"pipeline {spec.name!r} has published nothing before {last:%Y-%m-%d %H:%M} UTC, so nobody can "
                "tell which nights were missed; say it: --from 2024-06-01."
            )
        nights = list(scheduled_times(spec, max(made), last))
        if len(nights) > MAX_NIGHTS:
            raise SpecError(
                f"{len(nights):,} nights were missed since {max(made):%Y-%m-%d %H:%M} UTC; if you mean it, say from "
                f"which on: --from {nights[0].astimezone(spec.schedule.zone):%Y-%m-%d}."
            )
        return nights
    first = spec.parse_as_of(str(start), "--from")
    if first > last:
        raise SpecError(f"no night is due from {first:%Y-%m-%d %H:%M} UTC to {last:%Y-%m-%d %H:%M} UTC.")
    return list(scheduled_times(spec, first - timedelta(seconds=1), last))


def missing_nights(spec: PipelineSpec, nights: list[datetime], store: Store) -> list[datetime]:
    """Those of `nights` for which there is no whole vintage."""
    made = vintages(spec.name, store)
    return [night for night in nights if not any(_whole(uri, store) for uri in _of(spec, night, made))]


def vintages(pipeline: str, store: Store) -> dict[datetime, str]:
    """As-of and file of every published vintage, the oldest first."""
    found = {parse_vintage(uri): uri for uri in store.list_files(forecasts_dir(pipeline))}
    return {moment: found[moment] for moment in sorted(moment for moment in found if moment)}


def _of(spec: PipelineSpec, night: datetime, made: dict[datetime, str]) -> list[str]:
    """Vintages made for a night: since its midnight, and since the schedule fired before."""
    midnight = night.astimezone(spec.schedule.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    before = [moment for moment in scheduled_times(spec, midnight - timedelta(seconds=1), night) if moment < night]
    return [
        uri for moment, uri in made.items() if midnight <= moment <= night and all(moment > one for one in before[-1:])
    ]


def _whole(uri: str, store: Store) -> bool:
    try:
        store.table_at(uri, "forecasts")
    except StoreDamaged:
        return False
    return True


def _end_of(spec: PipelineSpec, end: str) -> datetime:
    """A date ends with its day, an instant is itself."""
    moment = spec.parse_as_of(end, "--to")
    if len(end.strip()) > len("2024-06-01"):
        return moment
    day = moment.astimezone(spec.schedule.zone).date() + timedelta(days=1)
    return spec.parse_as_of(day.isoformat()) - timedelta(seconds=1)
