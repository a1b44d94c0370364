"""Publish forecasts by vintage: a table becomes visible whole or not at all, and each as-of has one vintage.

audit ──> artifacts/forecasts/<digest>.parquet ──> forecasts/pipeline=…/vintage=…/forecasts.parquet ──> latest/…
"""

import logging
from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.errors import StoreDamaged
from data_contracts.spec import Spec
from tasks.storage.layout import forecasts_dir, latest_uri, parse_vintage, vintage_uri
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


class Published(Spec):
    """One published vintage: its as-of and the file that analysts read."""

    as_of: datetime
    file: Artifact


def publish(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> Artifact:
    """Publish an audited forecast table under its vintage, and as the latest unless a newer one exists."""
    file = store.publish(table, vintage_uri("forecasts", pipeline, as_of))
    publish_latest(table, pipeline, as_of, store)
    return file


def published_at(pipeline: str, as_of: datetime, store: Store) -> Artifact | None:
    """Return the table that is published for this as-of; None if there is no table, or it is damaged."""
    try:
        return store.table_at(vintage_uri("forecasts", pipeline, as_of), "forecasts")
    except StoreDamaged:
        return None


def publish_latest(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> None:
    """Publish a vintage at the stable path, unless a newer one exists. Restores the file if it was deleted."""
    moments = [parse_vintage(uri) for uri in store.list_files(forecasts_dir(pipeline))]
    if all(moment <= as_of for moment in moments if moment):
        store.publish(table, latest_uri(pipeline))


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
