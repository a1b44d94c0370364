"""The decisions of the last nights, from their records: of this release, of an earlier one, and of a person."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.registry.champions import record_decision
from tasks.report.decision_history import MAX_DECISIONS, DecisionRow, list_decisions, to_records
from tasks.results.steps import RegistrationResult, RunContext
from tasks.storage.store import Store

START = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(root=str(tmp_path))


def decide(store: Store, day: int, **changes: Any) -> RegistrationResult:
    """Record the decision of a night: gru-8 v2 stays against lstm."""
    as_of = START + timedelta(days=day)
    bundle = store.put_bytes(b"weights", "bundle", "safetensors")
    champion = Candidate(name="gru-8", role="champion", version="2", bundle=bundle)
    record = {
        "pipeline": "shop", "as_of": as_of.isoformat(), "champion": champion.model_dump(mode="json"),
        "previous": champion.model_dump(mode="json"), "moved": False, "best": "lstm", "gain": 0.031, "p_value": 0.04,
        "level": 0.0017, "reason": "better, but not significantly",
    }  # fmt: skip
    stored = store.put_bytes(json.dumps(record | changes).encode(), "decision", "json")
    decision = record_decision("shop", as_of, stored, store)
    return RegistrationResult(champion=champion, moved=False, reason="", decision=decision)


def night(day: int) -> RunContext:
    return RunContext(pipeline="shop", run_id="run", as_of=START + timedelta(days=day))


def test_newest_decision_is_first_with_its_numbers(store: Store) -> None:
    decide(store, 0, previous=None, moved=True, gain=None, p_value=None, level=None)
    tonight = decide(store, 1)
    assert list_decisions(night(1), tonight, store) == (
        DecisionRow(START + timedelta(days=1), "gru-8 v2", "lstm", 0.031, 0.04, 0.0017, "stays"),
        DecisionRow(START, "none", "lstm", None, None, None, "promoted"),
    )


def test_records_of_earlier_releases_and_of_persons_have_no_numbers(store: Store) -> None:
    decide(store, 0, best=None, gain=None, level=None, p_value=float(1))
    decide(store, 1, manual={"by": "eve"}, best=None, gain=None, p_value=None, level=None)
    rows = list_decisions(night(2), decide(store, 2), store)
    assert [(row.challenger, row.outcome) for row in rows] == [
        ("lstm", "stays"),
        ("", "changed by hand"),
        ("", "stays"),
    ]


def test_decision_of_a_night_with_gates_has_its_measures(store: Store) -> None:
    segment = {"by": "segment town", "name": "Bonn", "loss": 1.5, "champion_loss": 1.2, "p_value": 0.01, "level": 0.02}
    coverage = {"share": 0.9, "inside": 0.84, "error": 0.06}
    decide(store, 0)
    decide(store, 1, segment=segment | {"champion_loss": 0.0, "failing": 1, "compared": 4})
    tonight = decide(store, 2, segment=segment | {"failing": 1, "compared": 4}, coverage=coverage)
    rows = list_decisions(night(2), tonight, store)
    assert [row[7:] for row in rows] == [
        ("town Bonn", pytest.approx(0.25), 0.84, 0.9), ("town Bonn", None, None, None), ("", None, None, None),
    ]  # fmt: skip


def test_records_have_the_measures_of_the_gates_that_were_on() -> None:
    row = DecisionRow(START, "gru-8 v2", "lstm", 0.031, 0.04, 0.0017, "stays")
    plain = {
        "as_of": "2024-03-01T00:00:00+00:00", "champion": "gru-8 v2", "challenger": "lstm", "gain": 0.031,
        "p_value": 0.04, "level": 0.0017, "outcome": "stays",
    }  # fmt: skip
    assert to_records((row,)) == (plain,)
    covered = row._replace(coverage=0.0, expected=0.9)
    assert to_records((covered, row)) == (
        plain | {"coverage": 0.0, "expected": 0.9}, plain | {"coverage": None, "expected": None},
    )  # fmt: skip


def test_later_nights_do_not_count_and_the_list_ends(store: Store) -> None:
    results = [decide(store, day) for day in range(MAX_DECISIONS + 4)]
    rows = list_decisions(night(MAX_DECISIONS + 1), results[MAX_DECISIONS + 1], store)
    assert len(rows) == MAX_DECISIONS
    assert rows[0].as_of == START + timedelta(days=MAX_DECISIONS + 1)


def test_night_without_a_decision_lists_none(store: Store) -> None:
    decide(store, 0)
    assert list_decisions(night(1), None, store) == ()
    assert list_decisions(night(1), StepFailure(step="register", reason="MLflow is down"), store) == ()
