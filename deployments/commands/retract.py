"""`nightcast retract`: take a published vintage back. Readers no longer see it, and no schedule publishes it again."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from data_contracts.artifact import Artifact
from data_contracts.errors import SpecError, StoreDamaged
from flows.pipeline.schedule import list_vintages
from flows.pipeline.spec import PipelineSpec
from flows.runs.manual_change import current_person
from flows.runs.store_lease import hold_store
from flows.settings import Settings
from tasks.registry.manual_promotion import checked_reason
from tasks.storage import files
from tasks.storage.inventory import remove_empty_folders
from tasks.storage.layout import (
    VINTAGE_FORMAT,
    artifacts_dir,
    latest_history_uri,
    latest_uri,
    retracted_dir,
    retraction_uri,
    vintage_name,
    vintage_uri,
)
from tasks.storage.retractions import Retraction, record_retraction, retraction_of
from tasks.storage.snapshots import restore_latest_history
from tasks.storage.store import Store
from tasks.storage.vintages import publish_latest

MAX_LISTED_VINTAGES = 5


class NoSuchVintage(SpecError):
    """The pipeline has not published the vintage that is to be retracted."""


def retract_vintage(pipeline: str, vintage: str, reason: str) -> tuple[dict[str, Any], str]:
    """Take a published vintage back, under the lease of the pipeline.

    Args:
        pipeline: The pipeline's name or YAML file.
        vintage: The as-of of the vintage, as a time or as the name of its folder; a date if it has one vintage.
        reason: Why.

    Returns:
        Facts for `--json`, and the text.

    Raises:
        NoSuchVintage: The pipeline has no such vintage.
        SpecError: The reason is empty.
        LeaseHeld: Another run writes to the pipeline.
    """
    settings, why, now = Settings(), checked_reason(reason), datetime.now(UTC)
    spec, store = PipelineSpec.read(pipeline, settings.pipelines), settings.opened_store
    with hold_store("retract", spec.name, settings.lease_settings, store) as store:
        as_of = _find_vintage(spec, vintage, store)
        earlier = retraction_of(spec.name, as_of, store)
        retraction = earlier or Retraction(
            pipeline=spec.name, as_of=as_of, by=current_person(), at=now, reason=why, table=_keep(spec, as_of, store)
        )
        uri = record_retraction(retraction, store)
        with store.fenced_write():
            files.remove(store.root, vintage_uri("forecasts", spec.name, as_of))
            remove_empty_folders(store.root, [vintage_uri("forecasts", spec.name, as_of)])
        newest = _move_latest_back(spec, store)
    facts = {
        "pipeline": spec.name,
        "vintage": vintage_name(as_of),
        "retraction": uri,
        "by": retraction.by,
        "reason": retraction.reason,
        "latest": vintage_name(newest) if newest else None,
    }
    latest = f"latest/ is now the vintage as of {newest:%Y-%m-%d %H:%M} UTC" if newest else "latest/ is empty"
    again = f"nightcast nightly {pipeline} --as-of {as_of:%Y-%m-%dT%H:%M:%SZ} --force"
    lines = (
        f"{spec.name}: {retraction.sentence}",
        f"{latest}. Schedules and backfills do not publish it again; to do so on purpose: {again}",
    )
    return facts, "\n".join(lines)


def _find_vintage(spec: PipelineSpec, vintage: str, store: Store) -> datetime:
    """Return the as-of of a vintage that is published, or whose retraction has to be completed."""
    name, moment = vintage.removeprefix("vintage=").rstrip("/"), None
    with contextlib.suppress(ValueError):
        moment = datetime.strptime(name, VINTAGE_FORMAT).replace(tzinfo=UTC)
    moment = moment or spec.parse_as_of(vintage, "VINTAGE")
    published = list_vintages(spec.name, store)
    is_known = retraction_uri(spec.name, moment) in store.list_files(retracted_dir(spec.name))  # also if it is torn
    if moment in published or is_known:
        return moment
    is_date = len(vintage.strip()) == len("2024-06-01")
    same_day = [night for night in published if is_date and moment <= night < moment + timedelta(days=1)]
    if len(same_day) == 1:
        return same_day[0]
    nearest = sorted(published, key=lambda night: abs(night - moment))[:MAX_LISTED_VINTAGES]
    names = ", ".join(vintage_name(night) for night in sorted(nearest))
    known = f"The nearest are: {names}. Choose one of them." if names else "It has published nothing there."
    raise NoSuchVintage(
        f"pipeline {spec.name!r} has no published vintage {vintage!r} in the store {store.display_root!r}. {known}"
    )


def _keep(spec: PipelineSpec, as_of: datetime, store: Store) -> Artifact | None:
    """Return the artifact with the rows of a vintage; it is written again if it was lost."""
    try:
        published = store.table_at(vintage_uri("forecasts", spec.name, as_of), "forecasts")
        uri = f"{artifacts_dir('forecasts')}/{published.digest}.parquet"
        stored = store.put_at(store.get_bytes(published), "forecasts", uri)
    except StoreDamaged:
        return None
    return published.model_copy(update={"uri": stored.uri})


def _move_latest_back(spec: PipelineSpec, store: Store) -> datetime | None:
    """Let `latest/` be the newest vintage that is left; return its as-of, None if none is left."""
    now = datetime.now(UTC)
    for moment, uri in reversed(list_vintages(spec.name, store).items()):
        if moment > now:
            continue
        try:
            publish_latest(store.table_at(uri, "forecasts"), spec.name, moment, store, now)
        except StoreDamaged:  # fsck reports it
            continue
        restore_latest_history(spec.name, moment, store, now)
        return moment
    with store.fenced_write():
        files.remove(store.root, latest_uri(spec.name))
        files.remove(store.root, latest_history_uri(spec.name))
    return None
