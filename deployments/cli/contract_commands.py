"""`nightcast contract diff` and `nightcast contract page`: contracts without a pipeline or data."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

contract = typer.Typer(no_args_is_help=True, help="Compare two contracts, or print one as a readable page.")


@contract.command(epilog="Example: nightcast contract diff main/sales.odcs.yaml sales.odcs.yaml")
def diff(
    old: Annotated[str, typer.Argument(help="The current contract: a YAML file, or a name such as forecasts.")],
    new: Annotated[str, typer.Argument(help="The contract that is to replace it.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List changes as breaking, unclear or compatible. Exit codes: 0 none breaks readers, 3 one does, 2 no contract."""
    configure(verbose, read_only=True)
    facts: dict[str, Any] = {}

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.contract import compare_contracts

        record, text = compare_contracts(old, new)
        facts.update(record)
        return record, text

    run_command(body, as_json, verbose)
    if facts["breaks"]:
        raise typer.Exit(3)


@contract.command(epilog="Example: nightcast contract page sales.odcs.yaml > sales.md")
def page(
    name: Annotated[str, typer.Argument(metavar="CONTRACT", help="A contract YAML, or a name such as forecasts.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print a contract as Markdown: columns, types, units, key, rules as sentences, service levels."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.contract import render_contract_page

        return render_contract_page(name)

    run_command(body, as_json, verbose)
