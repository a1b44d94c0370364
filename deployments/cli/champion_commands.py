"""`nightcast champion show` and `nightcast champion restore`: the model that serves."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

champion = typer.Typer(no_args_is_help=True, help="Show the model that serves, or restore it if it is damaged.")

Pipeline = Annotated[str, typer.Argument(help="A pipeline YAML, or a name in NIGHTCAST_PIPELINES.")]


@champion.command(epilog="Example: nightcast champion show nyc-delays")
def show(pipeline: Pipeline, as_json: Json = False, verbose: Verbose = False) -> None:
    """Print the champion, and whether its bundle can be read. Exit code 4 if the pipeline has no champion."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.champion import show_champion

        return show_champion(pipeline)

    run_command(body, as_json, verbose)


@champion.command(epilog="Example: nightcast champion restore nyc-delays")
def restore(
    pipeline: Pipeline,
    drop: Annotated[
        bool, typer.Option("--drop", help="If nothing is left to restore: continue without a champion.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Restore a champion that cannot be read, from a copy in the registry, else by a former champion.

    A copy has the same bytes. A former champion is recorded as a decision, so later nights compare with it.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.champion import restore_champion

        return restore_champion(pipeline, drop)

    run_command(body, as_json, verbose)
