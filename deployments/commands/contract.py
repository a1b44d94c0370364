"""What `nightcast contract` prints: what a change does to readers, and a contract as a page."""

from pathlib import Path
from typing import Any

from data_contracts.contract import Contract
from data_contracts.contract_diff import Change, breaks, changes
from data_contracts.errors import SpecError
from data_contracts.markdown import render_markdown
from data_contracts.odcs_compiler import ODCS, read_contract


def compare_contracts(old: str, new: str) -> tuple[dict[str, Any], str]:
    """(facts, the same as text) of the changes from one contract to another. Raises SpecError where one is none."""
    before, after = (read_contract(find_contract(name)) for name in (old, new))
    found = changes(before, after)
    facts = {
        "old": {"path": old, "contract": before.label},
        "new": {"path": new, "contract": after.label},
        "breaks": breaks(found),
        "changes": [change.model_dump() for change in found],
    }
    return facts, "\n".join((*(change.line for change in found), _verdict(before, after, found)))


def render_contract_page(name: str) -> tuple[dict[str, Any], str]:
    """(facts, the page as Markdown) of one contract. Raises SpecError where it is none."""
    contract = read_contract(find_contract(name))
    page = render_markdown(contract)
    schema = {field.name: str(field.type) for field in contract.schema}
    return {"contract": contract.label, "schema": schema, "page": page}, page.rstrip("\n")


def find_contract(name: str) -> Path:
    """A contract by its path, or one of the house by its name, such as forecasts. Raises SpecError."""
    if Path(name).suffix or "/" in name:
        return Path(name)
    known = {path.stem.removesuffix(".odcs"): path for path in sorted(ODCS.glob("*.yaml"))}
    if name not in known:
        raise SpecError(f"there is no contract {name!r}; known are {', '.join(known)}, or give the path of a YAML.")
    return known[name]


def _verdict(old: Contract, new: Contract, found: tuple[Change, ...]) -> str:
    if not found:
        return f"{old.label} and {new.label} promise the same."
    broken = sum(change.effect == "breaking" for change in found)
    unclear = sum(change.effect == "unclear" for change in found)
    counts = f"{broken} breaking, {unclear} unclear, {len(found) - broken - unclear} compatible"
    return f"{new.label} {'breaks' if broken else 'breaks no'} readers of {old.label}: {counts}."
