"""The promotion decisions of the last nights with their numbers: the evidence for and against a challenger."""

import math
from datetime import datetime
from typing import Any, NamedTuple

from tasks.registry.champions import list_decisions_before
from tasks.results.steps import RegistrationResult, RunContext
from tasks.storage.store import Store

MAX_DECISIONS = 14
GATE_FIELDS = ("segment", "increase", "coverage", "expected")


class DecisionRow(NamedTuple):
    """One night: the challenger that was compared with the champion, and how the test ended.

    `gain` is how far its loss is below the champion's, as a share of that; None where nothing was compared. `segment`
    is the one in which it compares worst, `increase` how far its loss is above the champion's there, and `coverage` the
    share of actuals inside its interval, of which `expected` was promised: empty or None where the gate is off.
    """

    as_of: datetime
    champion: str
    challenger: str
    gain: float | None
    p_value: float | None
    level: float | None
    outcome: str
    segment: str = ""
    increase: float | None = None
    coverage: float | None = None
    expected: float | None = None


def list_decisions(context: RunContext, registered: object, store: Store) -> tuple[DecisionRow, ...]:
    """List the decisions up to this night, the newest first.

    Args:
        context: Pipeline and as-of of this night.
        registered: The result of `register`; without one nothing is listed.
        store: The store that holds the records.

    Returns:
        At most MAX_DECISIONS rows. Records of earlier releases have no numbers.
    """
    if not isinstance(registered, RegistrationResult):
        return ()
    records = [store.read_json(registered.decision.uri) or {}]
    for record in list_decisions_before(context.pipeline, context.as_of, store):
        records.append(record)
        if len(records) == MAX_DECISIONS:
            break
    return tuple(_row(record) for record in records if record.get("as_of"))


def to_records(rows: tuple[DecisionRow, ...]) -> tuple[dict[str, str | float | None], ...]:
    """Return the decisions as records of JSON values; a measure of a gate that was off on all nights is left out."""
    off = {name for name in GATE_FIELDS if not any(getattr(row, name) not in ("", None) for row in rows)}
    records = (row._asdict() | {"as_of": row.as_of.isoformat()} for row in rows)
    return tuple({name: value for name, value in record.items() if name not in off} for record in records)


def _row(record: dict[str, Any]) -> DecisionRow:
    decided = "promoted" if record.get("moved") else "stays"
    previous, champion = record.get("previous") or {}, record.get("champion") or {}
    before = previous or ({} if record.get("moved") else champion)
    coverage, segment = record.get("coverage") or {}, record.get("segment") or {}
    loss, champion_loss = _number(segment.get("loss")), _number(segment.get("champion_loss"))
    return DecisionRow(
        as_of=datetime.fromisoformat(str(record["as_of"])),
        champion=_label(before) or "none",
        challenger=str(record.get("best") or ""),
        gain=_number(record.get("gain")),
        p_value=_number(record.get("p_value")),
        level=_number(record.get("level")),
        outcome="changed by hand" if record.get("manual") else decided,
        segment=f"{segment['by']} {segment['name']}".removeprefix("segment ") if segment else "",
        increase=loss / champion_loss - 1 if loss is not None and champion_loss else None,
        coverage=_number(coverage.get("inside")),
        expected=_number(coverage.get("share")),
    )


def _label(candidate: dict[str, Any]) -> str:
    name, version = candidate.get("name") or "", candidate.get("version") or ""
    return f"{name} v{version}" if version else str(name)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
