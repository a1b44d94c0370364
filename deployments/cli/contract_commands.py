"""`nightcast contract VERB`: contracts by themselves, without a pipeline or data."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose
from deployments.cli.output import run_command as _answer
from deployments.process_environment import configure

contract = typer.Typer(no_args_is_help=True, help="Contracts by themselves: what a change breaks, and a readable page.")


@contract.command(epilog="Example: nightcast contract diff main/sales.odcs.yaml sales.odcs.yaml")
def diff(
    old: Annotated[str, typer.Argument(help="The contract that readers know: a YAML, or a name such as forecasts.")],
    new: Annotated[str, typer.Argument(help="The contract that shall take its place.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Whether a change of a contract breaks readers of its table: one line a change, breaking, unclear or compatible.

    Exit codes: 0 nothing breaks, 3 something breaks readers, 2 a file is no contract.
    """
    configure(verbose, looks_only=True)
    found: dict[str, Any] = {}

    def answer() -> tuple[dict[str, Any], str]:
        from deployments.commands.contract import compare_contracts

        facts, text = compare_contracts(old, new)
        found.update(facts)
        return facts, text

    _answer(answer, as_json, verbose)
    if found["breaks"]:
        raise typer.Exit(3)


@contract.command(epilog="Example: nightcast contract page sales.odcs.yaml > sales.md")
def page(
    name: Annotated[str, typer.Argument(metavar="CONTRACT", help="A contract YAML, or a name such as forecasts.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """A contract as a page of Markdown: columns, types, units, key, rules as sentences, service levels."""
    configure(verbose, looks_only=True)

    def answer() -> tuple[dict[str, Any], str]:
        from deployments.commands.contract import render_contract_page

        return render_contract_page(name)

    _answer(answer, as_json, verbose)
