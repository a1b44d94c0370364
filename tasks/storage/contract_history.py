"""The contract that a pipeline ran under, kept beside its nights, so that a night says what changed since the last.

contracts/pipeline=<name>/vintage=<as-of>.json, one for each night whose contract was another than the night before's.
Every night reads its whole history anew under one contract, so old and new promises never mix in a table.
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
    """What is promised otherwise than in the newest earlier night; nothing where that night had no contract."""
    before = _before(pipeline, as_of, store)
    return changes(before, _as_kept(contract)) if before and contract else ()


def record_contract(contract: Contract | None, pipeline: str, as_of: datetime, store: Store) -> None:
    """Remember the contract of this night, if it is another than before."""
    if contract and _before(pipeline, as_of, store) != _as_kept(contract):
        record = json.loads(contract.model_dump_json())
        store.write_json(record_uri(contracts_dir(pipeline), as_of), record)


def _before(pipeline: str, as_of: datetime, store: Store) -> Contract | None:
    newest = newest_record_before(contracts_dir(pipeline), as_of, store)
    try:
        return Contract.model_validate(store.read_json(newest)) if newest else None
    except ValidationError:  # torn, or of another release: worth nothing
        return None


def _as_kept(contract: Contract) -> Contract:
    """As JSON gives it back: a date in a rule's arguments is text there."""
    return Contract.model_validate_json(contract.model_dump_json())
