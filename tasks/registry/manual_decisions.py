"""Decisions of a person: which model is champion from the next night on, who decided it, when and why.

decisions/pipeline=<name>/   vintage=N.json   vintage=N+1s.json    vintage=M.json
                             night N          a person decides     night M starts from the decision of the person

A decision of a person is recorded one second after the newest decision. So every night with a later as-of starts from
it, however late it was made, and a night that is run again, or backfilled, neither sees it nor undoes it.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, ValidationError

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate
from tasks.registry.champions import record_decision
from tasks.storage.layout import decisions_dir, parse_vintage
from tasks.storage.store import Store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # before the first night of a store without decisions
ManualAction = Literal["promote", "rollback", "mlflow-alias"]
VERBS = {"promote": "promoted", "rollback": "made champion again", "mlflow-alias": "made champion"}


class ManualDecision(Spec):
    """A decision of a person. `by` is who decided, `at` the wall-clock time, `previous` the champion before."""

    pipeline: str
    action: ManualAction
    champion: Candidate
    previous: Candidate | None
    by: str
    at: AwareDatetime
    reason: str

    @property
    def sentence(self) -> str:
        """What was decided, by whom, when and why."""
        before = f" in the place of {self.previous.label}" if self.previous else ""
        when = f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"{self.champion.label} was {VERBS[self.action]}{before} by {self.by} at {when}: {self.reason}"


class FutureDecision(NightcastError):
    """The store has a decision of a night in the future, which would come after the decision of a person."""

    def __init__(self, pipeline: str, moment: datetime) -> None:
        super().__init__(
            f"pipeline {pipeline!r} has a decision of the night as of {moment:%Y-%m-%d %H:%M} UTC, which is in the "
            "future and would undo this decision. nightcast doctor lists the files of that night: delete them, or "
            "wait until then, and run this command again."
        )


def record_manual_decision(decision: ManualDecision, store: Store, now: datetime) -> Artifact:
    """Record a decision of a person directly after the newest decision.

    Args:
        decision: What was decided.
        store: The store with the lease of the pipeline.
        now: The current time.

    Returns:
        The decision record.

    Raises:
        FutureDecision: A night after `now` has been decided.
    """
    moments = [moment for uri in store.list_files(decisions_dir(decision.pipeline)) if (moment := parse_vintage(uri))]
    newest = max(moments, default=EPOCH)
    if newest > now:
        raise FutureDecision(decision.pipeline, newest)
    as_of = newest + timedelta(seconds=1)
    content = decision.model_dump(mode="json")
    record = {name: content[name] for name in ("pipeline", "champion", "previous", "reason")}
    record |= {"run_id": decision.action, "as_of": as_of.isoformat(), "moved": True, "p_value": None}
    record["manual"] = {name: content[name] for name in ("action", "by", "at")}
    data = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    return record_decision(decision.pipeline, as_of, store.put_bytes(data, "decision", "json"), store)


def list_manual_decisions(pipeline: str, before: datetime, store: Store) -> tuple[ManualDecision, ...]:
    """List the decisions of persons since the newest decision of a night before `before`, the oldest first."""
    decisions: list[ManualDecision] = []
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        moment = parse_vintage(uri)
        if moment is None or moment >= before:
            continue
        decision = _parse(store.read_json(uri) or {})
        if decision is None:
            break
        decisions.append(decision)
    return tuple(reversed(decisions))


def describe_manual_decisions(pipeline: str, before: datetime, store: Store) -> tuple[str, ...]:
    """Return the sentences of `list_manual_decisions`, for the page of a night."""
    return tuple(decision.sentence for decision in list_manual_decisions(pipeline, before, store))


def _parse(record: dict[str, Any]) -> ManualDecision | None:
    manual = record.get("manual")
    if not isinstance(manual, dict):
        return None
    try:
        return ManualDecision.model_validate(
            {name: record.get(name) for name in ("pipeline", "champion", "previous", "reason")} | manual
        )
    except ValidationError:  # of another release, or damaged: fsck reports it
        return None
