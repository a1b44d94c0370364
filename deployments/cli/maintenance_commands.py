"""`nightcast fsck` and `nightcast gc`: check and repair a store, and free space in it."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

Pipelines = typer.Argument(metavar="[PIPELINE]...", help="Pipelines to check; by default all that the store has.")


def fsck(
    pipelines: Annotated[list[str] | None, Pipelines] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Bring back what the bytes in the store prove, under the lease of each run.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check every file of the store: digests, tables, records, references, the registry. Exit code 1 if it is damaged.

    Each finding names the file, what it affects and what to do. Nothing is changed without --repair.
    """
    configure(verbose, read_only=True)
    codes = []

    def body() -> tuple[dict[str, Any], str]:
        from deployments.maintenance.fsck import check_store

        facts, text = check_store(list(pipelines or []), repair)
        codes.append(facts["exit_code"])
        return facts, text

    run_command(body, as_json, verbose)
    raise typer.Exit(codes[0])


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: nightcast fsck --repair")(fsck)
