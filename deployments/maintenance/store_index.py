"""What a store holds and who refers to what: every file with its digest, every record with its references."""

import contextlib
import functools
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from data_contracts.artifact import Artifact, iterate_artifacts
from tasks.storage import files
from tasks.storage.inventory import list_stored
from tasks.storage.kinds import StoredKind, kind_of
from tasks.storage.layout import parse_vintage, retention_uri, vintage_uri
from tasks.storage.local_paths import NotInStore
from tasks.storage.store import Store

MAX_LISTED_NIGHTS = 3
MAX_RECORD_BYTES = 64 * 2**20
REFERRING_KINDS = ("manifest", "decision", "snapshot", "retraction", "cache")


class Record(NamedTuple):
    """A record that refers to files. `night` is its as-of, None for a cache record; `moment` is when it was written."""

    uri: str
    kind: str
    pipeline: str
    night: datetime | None
    moment: float
    flow: str
    content: dict[str, Any]


class Reference(NamedTuple):
    """One reference of a record to a file."""

    record: Record
    artifact: Artifact


class StoreIndex:
    """A store at one moment. Files that a running night adds later are looked up when they are asked for.

    `exclusive` is whether the caller holds the lease of every pipeline, so that no night is running.
    """

    def __init__(self, store: Store, arguments: dict[str, str] | None = None, exclusive: bool = False) -> None:
        self.store, self.arguments, self.exclusive, self.now = store, arguments or {}, exclusive, datetime.now(UTC)
        self.files = {file.uri: file for file in list_stored(store.root)}
        self.kinds: dict[str, StoredKind] = {uri: kind_of(uri) for uri in self.files}
        self._digests: dict[str, str | None] = {}
        self.unreadable: list[str] = []
        """Manifests, decisions and snapshots of which it is not known what they refer to."""
        self.records = list(self._read_records())
        self.references: dict[str, list[Reference]] = defaultdict(list)
        self.targets = {record.uri: self._artifacts(record) for record in self.records}
        for record in self.records:
            for artifact in self.targets[record.uri]:
                self.references[artifact.uri].append(Reference(record, artifact))
        self._superseded = set(self._list_superseded())
        self._copies: dict[str, list[str]] | None = None

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The names of all pipelines that have a file in the store."""
        return tuple(sorted({kind.pipeline for kind in self.kinds.values() if kind.pipeline}))

    def of_kind(self, *names: str) -> list[str]:
        """Return the paths of all regular files of these kinds, sorted."""
        kinds = ((uri, kind.name, self.files[uri]) for uri, kind in self.kinds.items())
        return [uri for uri, name, file in kinds if name in names and not (file.is_folder or file.is_special)]

    def digest(self, uri: str) -> str | None:
        """Return the SHA-256 of a file; None if it is missing or not in the store, empty if it cannot be read."""
        if uri not in self._digests:
            file = self.files.get(uri)
            try:
                is_file = not (file and (file.is_special or file.is_folder))
                self._digests[uri] = files.digest(self.store.root, uri) if is_file else None
            except (FileNotFoundError, NotInStore):
                self._digests[uri] = None
            except (OSError, ValueError):
                self._digests[uri] = ""
        return self._digests[uri]

    def read_record(self, uri: str) -> dict[str, Any] | None:
        """Return a JSON record; None if it is missing, torn, altered, or larger than any record."""
        file = self.files.get(uri)
        return None if file and file.size > MAX_RECORD_BYTES else self.store.read_json(uri)

    def copies(self, digest: str) -> list[str]:
        """Return the paths of all files with these bytes."""
        if self._copies is None:
            self._copies = defaultdict(list)
            for uri, kind in self.kinds.items():
                if kind.name not in ("registry", "unknown", "half-written", "lease"):
                    self._copies[self.digest(uri) or ""].append(uri)
        return self._copies.get(digest, []) if digest else []

    def newest_decision(self, pipeline: str) -> Record | None:
        """Return the newest decision of a pipeline that is not in the future."""
        decisions = [
            record
            for record in self.records
            if record.kind == "decision" and record.pipeline == pipeline and record.night and record.night <= self.now
        ]
        return max(decisions, key=lambda record: str(record.night), default=None)

    def nights_of(self, uri: str) -> list[Record]:
        """Return the records of nights that refer to a file, the newest night first."""
        records = {
            (reference.record.pipeline, reference.record.night): reference.record
            for reference in self.references.get(uri, [])
            if reference.record.night
        }
        return sorted(records.values(), key=lambda record: str(record.night), reverse=True)

    def affected(self, uri: str) -> str:
        """Describe the nights that refer to a file."""
        names = [f"{record.pipeline} as of {_format(record.night)}" for record in self.nights_of(uri) if record.night]
        more = len(names) - MAX_LISTED_NIGHTS
        listed = names[:MAX_LISTED_NIGHTS] + ([f"{more} more nights"] if more > 0 else [])
        return ", ".join(listed)

    def rerun(self, pipeline: str, night: datetime | None, flow: str = "nightly") -> str:
        """Return the command that runs a night again."""
        moment = f" --as-of {night:%Y-%m-%dT%H:%M:%SZ}" if night else ""
        return f"nightcast {flow or 'nightly'} {self.arguments.get(pipeline, pipeline)}{moment}"

    def describe_link(self, uri: str) -> str:
        """Describe a symbolic link out of the store, or what is not a regular file; empty for any other path."""
        file = self.files.get(uri)
        if file and file.is_special:
            return "is a pipe, a device or a socket, and not a file"
        return f"is a symbolic link to {file.link}, outside the store" if file and file.link else ""

    @functools.cached_property
    def retracted(self) -> set[str]:
        """The paths of the vintages that a person has retracted."""
        records = (record for record in self.records if record.kind == "retraction" and record.night)
        return {
            vintage_uri("forecasts", record.pipeline, record.night)
            for record in records
            if record.night and not record.content.get("published_again")
        }

    def was_collected(self, record: Record) -> bool:
        """Whether what a manifest refers to may be gone: `nightcast gc` collected it, or its night ran again since."""
        before = self.collected_before(record.pipeline)
        is_collected = bool(before and record.night and record.night < before)
        return record.kind == "manifest" and (is_collected or record.uri in self._superseded)

    def collected_before(self, pipeline: str) -> datetime | None:
        """Return the as-of from which on the tables and pages of a pipeline are kept; None if gc never ran."""
        record = self.store.read_json(retention_uri(pipeline)) or {}
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(str(record.get("before")))
        return None

    def _artifacts(self, record: Record) -> list[Artifact]:
        try:
            return list(iterate_artifacts(record.content))
        except (ValidationError, RecursionError):  # the record is of another release
            self.unreadable += [record.uri] if record.kind != "cache" else []
            return []

    def _list_superseded(self) -> Iterator[str]:
        """Yield the manifests of which a later run of the same flow and night has finished."""
        newest: dict[tuple[str, datetime | None, str], Record] = {}
        finished = (record for record in self.records if record.kind == "manifest" and record.content.get("story"))
        for record in sorted(finished, key=lambda record: record.moment):
            key = (record.pipeline, record.night, record.flow)
            if key in newest:
                yield newest[key].uri
            newest[key] = record

    def _read_records(self) -> Iterator[Record]:
        for uri in self.of_kind(*REFERRING_KINDS):
            content, kind = self.read_record(uri), self.kinds[uri]
            if content is None:
                self.unreadable += [uri] if kind.name != "cache" else []
                continue
            night = parse_vintage(uri) if kind.vintage else parse_moment(content.get("as_of"))
            written = parse_moment(content.get("finished")) or parse_moment(content.get("started"))
            moment = written.timestamp() if written else self.files[uri].modified or 0.0
            flow = str(content.get("flow") or "")
            yield Record(uri, kind.name, kind.pipeline, night, moment, flow, content)


def parse_moment(value: object) -> datetime | None:
    """Return a time of a record; None if it is missing, invalid or has no offset."""
    with contextlib.suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment if moment and moment.tzinfo else None
    return None


def _format(night: datetime | None) -> str:
    return f"{night.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if night else ""
