"""Publish forecasts by vintage: a table becomes visible whole or not at all, and each as-of has one vintage.

audit ──> artifacts/forecasts/<digest>.parquet ──> forecasts/pipeline=…/vintage=…/forecasts.parquet ──> latest/…
"""

import logging
from datetime import UTC, datetime, timedelta

from data_contracts.artifact import Artifact
from data_contracts.errors import StoreDamaged
from data_contracts.spec import Spec
from tasks.storage.layout import (
    forecasts_dir,
    latest_errors_uri,
    latest_history_uri,
    latest_uri,
    parse_vintage,
    record_dirs,
    vintage_uri,
)
from tasks.storage.retractions import mark_published_again
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

MAX_AHEAD = timedelta(days=1)  # of the clock: nights farther ahead come from a wrong clock, or from --force


class Published(Spec):
    """One published vintage: its as-of and the file that analysts read."""

    as_of: datetime
    file: Artifact


def publish(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> Artifact:
    """Publish an audited forecast table under its vintage, and as the latest unless a newer one exists."""
    file = store.publish(table, vintage_uri("forecasts", pipeline, as_of))
    publish_latest(table, pipeline, as_of, store)
    mark_published_again(pipeline, as_of, store, datetime.now(UTC))
    return file


def published_at(pipeline: str, as_of: datetime, store: Store) -> Artifact | None:
    """Return the table that is published for this as-of; None if the file is missing or damaged."""
    try:
        return store.table_at(vintage_uri("forecasts", pipeline, as_of), "forecasts")
    except StoreDamaged:
        return None


def publish_latest(table: Artifact, pipeline: str, as_of: datetime, store: Store, now: datetime | None = None) -> None:
    """Publish a vintage at the stable path, if it is the newest. Restores the file if it was deleted."""
    if is_newest(as_of, store.list_files(forecasts_dir(pipeline)), now):
        store.publish(table, latest_uri(pipeline))


def publish_latest_history(
    clean: Artifact, pipeline: str, as_of: datetime, store: Store, now: datetime | None = None
) -> None:
    """Publish the clean table of a night at its stable path, if the forecast of that night is the latest."""
    if is_newest(as_of, store.list_files(forecasts_dir(pipeline)), now):
        store.publish(clean, latest_history_uri(pipeline))


def publish_latest_errors(
    errors: Artifact, pipeline: str, as_of: datetime, store: Store, now: datetime | None = None
) -> None:
    """Publish the errors of the champion at their stable path, if the store has no forecast of a later night."""
    if is_newest(as_of, store.list_files(forecasts_dir(pipeline)), now):
        store.publish(errors, latest_errors_uri(pipeline))


def is_newest(as_of: datetime, uris: list[str], now: datetime | None = None) -> bool:
    """Return whether the records at `uris` have none of a later night. Records of the future do not count.

    A night more than MAX_AHEAD in the future is never the newest.

    Args:
        as_of: The as-of of a night.
        uris: Paths of vintages or decisions.
        now: The current time; None reads the clock.

    Returns:
        Whether `latest/` and the aliases may follow this night.
    """
    now = now or datetime.now(UTC)
    moments = [moment for uri in uris if (moment := parse_vintage(uri)) and moment <= now]
    return as_of <= now + MAX_AHEAD and all(moment <= as_of for moment in moments)


def nights_ahead(pipeline: str, now: datetime, store: Store) -> dict[datetime, list[str]]:
    """Return the nights after `now` that a clock or `--as-of` in the future has left, with the files of each."""
    nights: dict[datetime, list[str]] = {}
    for folder in (forecasts_dir(pipeline), *record_dirs(pipeline)):
        for uri in store.list_files(folder):
            moment = parse_vintage(uri)
            if moment and moment > now:
                nights.setdefault(moment, []).append(uri)
    return nights


def list_published_before(pipeline: str, as_of: datetime, count: int, store: Store) -> tuple[Published, ...]:
    """Return the newest `count` undamaged vintages with an as-of before `as_of`, oldest first."""
    vintages: list[Published] = []
    for uri in reversed(store.list_files(forecasts_dir(pipeline))):
        moment = parse_vintage(uri)
        if moment and moment < floor_to_second(as_of) and uri.endswith("/forecasts.parquet") and len(vintages) < count:
            try:
                vintages.append(Published(as_of=moment, file=store.table_at(uri, "forecasts")))
            except StoreDamaged as damaged:  # a damaged old forecast must not stop a new one
                log.warning("vintage skipped: %s", damaged)
    return tuple(reversed(vintages))


def newest_record_before(folder: str, as_of: datetime, store: Store) -> str | None:
    """Return the path of the newest record in `folder` before `as_of`; None if no night has one."""
    moments = {uri: parse_vintage(uri) for uri in store.list_files(folder)}
    earlier = {uri: moment for uri, moment in moments.items() if moment and moment < floor_to_second(as_of)}
    return max(earlier, key=lambda uri: earlier[uri], default=None)


def floor_to_second(as_of: datetime) -> datetime:
    """Return `as_of` with the precision of vintage names, so that a night is not later than its own vintage."""
    return as_of.replace(microsecond=0)
