"""Recording the contract of a night and comparing it with the one before."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from data_contracts.contract import Contract
from tasks.storage.contract_history import diff_since_last_run, record_contract
from tasks.storage.store import Store

Promise = Callable[..., Contract]
FIRST, SECOND, THIRD = (datetime(2024, 3, day, tzinfo=UTC) for day in (1, 2, 3))
DATED: dict[str, Any] = {
    "name": "recent",
    "type": "custom",
    "engine": "greatExpectations",
    "implementation": "type: expect_column_values_to_be_between\nkwargs: {column: hour, min_value: 2024-01-01}",
}


@pytest.fixture
def laxer(promise: Promise) -> tuple[Contract, Contract]:
    """(strict, lax): a contract, and a later version whose row faults only quarantine rows."""
    return promise(DATED), promise(DATED, row_faults="warning")


def test_night_reports_changes_of_its_contract(store: Store, laxer: tuple[Contract, Contract]) -> None:
    strict, lax = laxer
    assert diff_since_last_run(strict, "shop", FIRST, store) == ()
    record_contract(strict, "shop", FIRST, store)
    assert diff_since_last_run(strict, "shop", SECOND, store) == ()
    (change, version) = diff_since_last_run(lax, "shop", SECOND, store)
    assert (change.effect, change.where, change.what) == ("breaking", "rowFaults", "error → warning")
    assert version.what == "1.0.0 → 1.0.0; a breaking change requires 2.0.0"
    record_contract(lax, "shop", SECOND, store)
    assert diff_since_last_run(lax, "shop", THIRD, store) == ()
    assert diff_since_last_run(lax, "shop", SECOND, store) == (
        change,
        version,
    )  # a night that is run again says it again
    assert diff_since_last_run(lax, "other", THIRD, store) == ()
    assert diff_since_last_run(None, "shop", THIRD, store) == ()


def test_unchanged_contract_is_recorded_once(store: Store, laxer: tuple[Contract, Contract]) -> None:
    strict, _ = laxer
    for night in (FIRST, SECOND, THIRD):
        record_contract(strict, "shop", night, store)
    assert store.list_files("contracts/pipeline=shop") == ["contracts/pipeline=shop/vintage=2024-03-01T000000Z.json"]


def test_torn_contract_record_is_ignored(store: Store, laxer: tuple[Contract, Contract]) -> None:
    strict, lax = laxer
    store.write_json("contracts/pipeline=shop/vintage=2024-03-01T000000Z.json", {"id": 7})
    assert diff_since_last_run(lax, "shop", SECOND, store) == ()
    record_contract(strict, "shop", SECOND, store)
    assert len(diff_since_last_run(lax, "shop", THIRD, store)) == 2
