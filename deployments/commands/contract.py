"""`nightcast contract`: the effect of a change on readers, and a contract as a Markdown page."""

from pathlib import Path
from typing import Any

from data_contracts.contract import Contract
from data_contracts.contract_diff import Change, breaks, changes
from data_contracts.errors import SpecError
from data_contracts.markdown import render_markdown
from data_contracts.odcs_compiler import ODCS, read_contract


def compare_contracts(old: str, new: str) -> tuple[dict[str, Any], str]:
    """Return the changes from contract `old` to `new` as (facts, the same as text).

    Raises:
        SpecError: a file does not exist or is not a contract.
    """
    before, after = (read_contract(find_contract(name)) for name in (old, new))
    differences = changes(before, after)
    facts = {
        "old": {"path": old, "contract": before.label},
        "new": {"path": new, "contract": after.label},
        "breaks": breaks(differences),
        "changes": [change.model_dump() for change in differences],
    }
    return facts, "\n".join((*(change.line for change in differences), _summarize(before, after, differences)))


def render_contract_page(name: str) -> tuple[dict[str, Any], str]:
    """Return one contract as (facts, a page of Markdown).

    Raises:
        SpecError: the file does not exist or is not a contract.
    """
    contract = read_contract(find_contract(name))
    page = render_markdown(contract)
    schema = {field.name: str(field.type) for field in contract.schema}
    return {"contract": contract.label, "schema": schema, "page": page}, page.rstrip("\n")


def find_contract(name: str) -> Path:
    """Return the path of a contract: `name` is a path, or the name of a built-in contract, such as forecasts.

    Raises:
        SpecError: no built-in contract has this name.
    """
    if Path(name).suffix or "/" in name:
        return Path(name)
    builtin = {path.stem.removesuffix(".odcs"): path for path in sorted(ODCS.glob("*.yaml"))}
    if name not in builtin:
        raise SpecError(f"contract {name!r} does not exist. Use one of {', '.join(builtin)}, or the path of a YAML.")
    return builtin[name]


def _summarize(old: Contract, new: Contract, differences: tuple[Change, ...]) -> str:
    if not differences:
        return f"{old.label} and {new.label} are equivalent."
    broken = sum(change.effect == "breaking" for change in differences)
    unclear = sum(change.effect == "unclear" for change in differences)
    counts = f"{broken} breaking, {unclear} unclear, {len(differences) - broken - unclear} compatible"
    return f"{new.label} {'breaks' if broken else 'does not break'} readers of {old.label}: {counts}."
