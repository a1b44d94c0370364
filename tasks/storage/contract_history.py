"""Records of the contracts that a pipeline ran under, so that a night reports what changed since the last one.

contracts/pipeline=<name>/vintage=<as-of>.json, one for each night whose contract differed from the one before.
Every night validates its whole history under one contract, so a table never mixes two versions.
"""

import json
from datetime import datetime

from pydantic import ValidationError

from data_contracts.contract import Contract
from data_contracts.contract_diff import Change, changes
from tasks.storage.layout import contracts_dir, record_uri
from tasks.storage.store import Store
from tasks.storage.vintages import newest_record_before


def diff_since_last_run(contract: Contract | None, pipeline: str, as_of: datetime, store: Store) -> tuple[Change, ...]:
    """Return the changes since the contract of the newest earlier night; empty if there was no contract before."""
    before = contract_before(pipeline, as_of, store)
    return changes(before, _as_stored(contract)) if before and contract else ()


def record_contract(contract: Contract | None, pipeline: str, as_of: datetime, store: Store) -> None:
    """Write the contract of this night, if it differs from the one before."""
    if contract and contract_before(pipeline, as_of, store) != _as_stored(contract):
        record = json.loads(contract.model_dump_json())
        store.write_json(record_uri(contracts_dir(pipeline), as_of), record)


def contract_before(pipeline: str, as_of: datetime, store: Store) -> Contract | None:
    """Return the contract of the newest night before `as_of`; None without one, or if its record is torn."""
    newest = newest_record_before(contracts_dir(pipeline), as_of, store)
    try:
        return Contract.model_validate(store.read_json(newest)) if newest else None
    except ValidationError:  # torn, or written by another release
        return None


def _as_stored(contract: Contract) -> Contract:
    """Round-trip through JSON, where a date in the arguments of a rule becomes text."""
    return Contract.model_validate_json(contract.model_dump_json())
