"""Decision records in the store: which model was champion after which night. The registry's alias follows them.

decisions/pipeline=<name>/vintage=<as-of>.json, one per night. The champion of a night is that of the latest decision
before its as-of. So a night that is run again, or run late, uses the champion that it would have used on time.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from tasks.modeling.candidate import Candidate
from tasks.storage.layout import artifacts_dir, decisions_dir, parse_vintage, record_uri
from tasks.storage.store import Store
from tasks.storage.vintages import floor_to_second, is_newest


def record_decision(pipeline: str, as_of: datetime, decision: Artifact, store: Store) -> Artifact:
    """Store the decision of a night, replacing its own earlier one; raise NightcastError if a person made that."""
    uri = record_uri(decisions_dir(pipeline), as_of)
    if (store.read_json(uri) or {}).get("manual"):
        raise NightcastError(
            f"{uri} is the decision of a person, which a night as of the same second may not replace. Choose another "
            "second for --as-of."
        )
    return store.publish(decision, uri)


def decision_of(pipeline: str, as_of: datetime, store: Store) -> Artifact | None:
    """Return the decision that a night has already recorded; None if it has none or the record is torn."""
    uri = record_uri(decisions_dir(pipeline), as_of)
    return store.artifact_at(uri) if store.read_json(uri) else None


def is_latest_decision(pipeline: str, as_of: datetime, store: Store, now: datetime | None = None) -> bool:
    """Return whether no later night has been decided, except in the future. Only then may an alias move."""
    return is_newest(as_of, store.list_files(decisions_dir(pipeline)), now)


def champion_before(pipeline: str, as_of: datetime, store: Store) -> Candidate | None:
    """Return the champion of the latest decision before `as_of`: the incumbent of that night."""
    return next(_champions(pipeline, store, lambda moment: moment < floor_to_second(as_of)), None)


def champion_at(pipeline: str, as_of: datetime, store: Store) -> Candidate | None:
    """Return the champion of the latest decision up to and including `as_of`."""
    return next(_champions(pipeline, store, lambda moment: moment <= as_of), None)


def list_decisions_before(pipeline: str, as_of: datetime, store: Store) -> Iterator[dict[str, Any]]:
    """Yield the decision records before `as_of`, the latest first; an unreadable record is skipped."""
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        moment = parse_vintage(uri)
        if moment and moment < floor_to_second(as_of) and (decision := _read_decision(uri, pipeline, moment, store)):
            yield decision


def standing_at(pipeline: str, as_of: datetime, store: Store) -> datetime:
    """Return until when decisions count for a forecast as of `as_of`: those of persons directly after it count too."""
    until = as_of
    for uri in store.list_files(decisions_dir(pipeline)):
        moment = parse_vintage(uri)
        if moment and moment > as_of:
            if not (store.read_json(uri) or {}).get("manual"):
                break
            until = moment
    return until


def champion_versions(pipeline: str, as_of: datetime, store: Store) -> set[str]:
    """Return every version that has been champion up to `as_of`."""
    return {champion.version for champion in _champions(pipeline, store, lambda moment: moment <= as_of)}


def list_former_champions(pipeline: str, as_of: datetime, store: Store) -> tuple[Candidate, ...]:
    """List the models that were champion before the current one, the latest first: fallbacks for a damaged bundle."""
    former: dict[str, Candidate] = {}
    for champion in _champions(pipeline, store, lambda moment: moment <= as_of):
        former.setdefault(champion.bundle.digest, champion)
    return tuple(former.values())[1:]


def _champions(pipeline: str, store: Store, includes: Callable[[datetime], bool]) -> Iterator[Candidate]:
    """Yield the champion of every decision that is included, the latest first; an unreadable record is skipped.

    A record with `dropped` ends the list: the champions before it were given up by `nightcast champion restore --drop`.
    """
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        moment = parse_vintage(uri)
        decision = _read_decision(uri, pipeline, moment, store) if moment and includes(moment) else None
        if decision and decision.get("dropped"):
            return
        if decision and decision.get("champion"):
            with contextlib.suppress(ValidationError):
                yield Candidate.model_validate(decision["champion"])


def unreadable_decisions(pipeline: str, as_of: datetime, store: Store) -> tuple[str, ...]:
    """Return the decision records before `as_of` that are torn and have no copy: a champion may be unknown."""
    moments = {uri: parse_vintage(uri) for uri in store.list_files(decisions_dir(pipeline))}
    earlier = {uri: moment for uri, moment in moments.items() if moment and moment < floor_to_second(as_of)}
    return tuple(uri for uri, moment in earlier.items() if _read_decision(uri, pipeline, moment, store) is None)


def _read_decision(uri: str, pipeline: str, moment: datetime, store: Store) -> dict[str, Any] | None:
    """Read a decision record; if it is torn, its copy among the artifacts. None if neither can be read."""
    decision = store.read_json(uri)
    if decision is not None:
        return decision
    for copy in reversed(store.list_files(artifacts_dir("decision"))):
        record = store.read_json(copy) or {}
        if record.get("pipeline") == pipeline and record.get("as_of") == moment.isoformat():
            return record
    return None
