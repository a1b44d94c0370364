"""Retracted vintages: a published forecast that a person has taken back. Readers of forecasts/ no longer see it.

retracted/pipeline=<name>/vintage=<as-of>.json says who took it back, when and why. It keeps the reference to the table
among the artifacts. The record counts, not the file: a retraction that was killed half-way is complete when it is
repeated. A vintage that is published again on purpose gets `published_again` in its record, and counts as published.
"""

from datetime import UTC, datetime

from pydantic import AwareDatetime, ValidationError

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.storage.layout import forecasts_dir, parse_vintage, retracted_dir, retraction_uri
from tasks.storage.store import Store


class Retraction(Spec):
    """One retracted vintage. `table` is the artifact with the retracted rows; None if no copy was left."""

    pipeline: str
    as_of: AwareDatetime
    by: str
    at: AwareDatetime
    reason: str
    table: Artifact | None = None
    published_again: AwareDatetime | None = None

    @property
    def sentence(self) -> str:
        """Which vintage was retracted, by whom, when and why."""
        when = f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        vintage = f"{self.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"the vintage as of {vintage} was retracted by {self.by} at {when}: {self.reason}"


def record_retraction(retraction: Retraction, store: Store) -> str:
    """Write the record of a retraction, and return its path."""
    uri = retraction_uri(retraction.pipeline, retraction.as_of)
    store.write_json(uri, retraction.model_dump(mode="json"))
    return uri


def retraction_of(pipeline: str, as_of: datetime, store: Store) -> Retraction | None:
    """Return the retraction of a vintage; None if it was not retracted, or was published again on purpose."""
    return _read(retraction_uri(pipeline, as_of), store)


def list_retractions(pipeline: str, store: Store) -> dict[datetime, Retraction]:
    """Return the retracted vintages of a pipeline that were not published again, by as-of, the oldest first."""
    records = {parse_vintage(uri): _read(uri, store) for uri in store.list_files(retracted_dir(pipeline))}
    return {moment: record for moment, record in records.items() if moment and record}


def retracted_since_last_night(pipeline: str, as_of: datetime, store: Store) -> tuple[Retraction, ...]:
    """Return what was taken back since the newest vintage before `as_of`: later vintages, and older ones since then."""
    published = (parse_vintage(uri) for uri in store.list_files(forecasts_dir(pipeline)))
    last = max((moment for moment in published if moment and moment < as_of), default=None)
    records = (record for moment, record in list_retractions(pipeline, store).items() if moment < as_of)
    return tuple(record for record in records if not last or record.as_of > last or last < record.at <= as_of)


def mark_published_again(pipeline: str, as_of: datetime, store: Store, now: datetime) -> None:
    """Record that a retracted vintage was published again on purpose."""
    if retraction := retraction_of(pipeline, as_of, store):
        record_retraction(retraction.model_copy(update={"published_again": now}), store)


def _read(uri: str, store: Store) -> Retraction | None:
    try:
        retraction = Retraction.model_validate(store.read_json(uri))
    except ValidationError:  # missing or torn: fsck reports it
        return None
    return None if retraction.published_again else retraction
