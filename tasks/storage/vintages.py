"""Write, audit, publish: a forecast table becomes visible whole or not at all, and one cutoff is there once.

artifacts/forecasts/<digest>.parquet ──audit──> forecasts/pipeline=…/vintage=…/forecasts.parquet ──> latest/…
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
    """One published vintage and the bytes that analysts read there."""

    as_of: datetime
    file: Artifact


def publish(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> Artifact:
    """Make an audited table visible under its vintage and, where no newer vintage is there, as the latest."""
    file = store.publish(table, vintage_uri("forecasts", pipeline, as_of))
    publish_latest(table, pipeline, as_of, store)
    return file


def publish_latest(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> None:
    """Point the one stable path at a vintage, unless a newer one is there; mends a path that was lost."""
    moments = [parse_vintage(uri) for uri in store.list_files(forecasts_dir(pipeline))]
    if all(moment <= as_of for moment in moments if moment):
        store.publish(table, latest_uri(pipeline))


def list_published_before(pipeline: str, as_of: datetime, count: int, store: Store) -> tuple[Published, ...]:
    """The newest `count` vintages that were made before `as_of` and are whole, oldest first."""
    found: list[Published] = []
    for uri in reversed(store.list_files(forecasts_dir(pipeline))):
        moment = parse_vintage(uri)
        if moment and moment < floor_to_second(as_of) and uri.endswith("/forecasts.parquet") and len(found) < count:
            try:
                found.append(Published(as_of=moment, file=store.table_at(uri, "forecasts")))
            except StoreDamaged as damaged:  # an old forecast that can't be scored holds up no new one
                log.warning("passed over: %s", damaged)
    return tuple(reversed(found))


def newest_record_before(folder: str, as_of: datetime, store: Store) -> str | None:
    """The record in `folder` of the newest night before `as_of`."""
    moments = {uri: parse_vintage(uri) for uri in store.list_files(folder)}
    earlier = {uri: moment for uri, moment in moments.items() if moment and moment < floor_to_second(as_of)}
    return max(earlier, key=lambda uri: earlier[uri], default=None)


def floor_to_second(as_of: datetime) -> datetime:
    """`as_of` as the store knows it, so that a night does not stand after its own vintage."""
    return as_of.replace(microsecond=0)
