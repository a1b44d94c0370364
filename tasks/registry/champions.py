"""The store's own record of who was champion when; the registry's alias follows it, never the other way round.

decisions/pipeline=<name>/vintage=<as-of>.json, one a night. The champion of a night is what the latest decision
before its as-of says, so a night that is run again, or run late, meets the champion that it would have met.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime

from pydantic import ValidationError

from data_contracts.artifact import Artifact
from tasks.modeling.candidate import Candidate
from tasks.storage.layout import decisions_dir, parse_vintage, record_uri
from tasks.storage.store import Store
from tasks.storage.vintages import floor_to_second


def record_decision(pipeline: str, as_of: datetime, decision: Artifact, store: Store) -> Artifact:
    """Write the decision of a night; the same night decided again on other inputs replaces its own decision."""
    return store.publish(decision, record_uri(decisions_dir(pipeline), as_of))


def is_latest_decision(pipeline: str, as_of: datetime, store: Store) -> bool:
    """Whether no later night has been decided: only then may an alias move."""
    moments = [parse_vintage(uri) for uri in store.list_files(decisions_dir(pipeline))]
    return all(moment <= as_of for moment in moments if moment)


def champion_before(pipeline: str, as_of: datetime, store: Store) -> Candidate | None:
    """The champion that a night at `as_of` meets."""
    return next(_champions(pipeline, store, lambda moment: moment < floor_to_second(as_of)), None)


def champion_at(pipeline: str, as_of: datetime, store: Store) -> Candidate | None:
    """The champion after everything decided up to and including `as_of`."""
    return next(_champions(pipeline, store, lambda moment: moment <= as_of), None)


def list_former_champions(pipeline: str, as_of: datetime, store: Store) -> tuple[Candidate, ...]:
    """Every other model that was champion up to `as_of`, the latest first: who can step in for a damaged one."""
    found: dict[str, Candidate] = {}
    for champion in _champions(pipeline, store, lambda moment: moment <= as_of):
        found.setdefault(champion.bundle.digest, champion)
    return tuple(found.values())[1:]


def _champions(pipeline: str, store: Store, counts: Callable[[datetime], bool]) -> Iterator[Candidate]:
    """The champion of every decision that counts, the latest first; a torn decision is passed over."""
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        moment = parse_vintage(uri)
        decision = store.read_json(uri) if moment and counts(moment) else None
        if decision and decision.get("champion"):
            with contextlib.suppress(ValidationError):
                yield Candidate.model_validate(decision["champion"])
