"""`nightcast fsck` and `nightcast gc`: check and repair a store, and free space in it."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

Pipelines = typer.Argument(metavar="PIPELINE", help="Pipelines to check. Default: all that the store has.")


def fsck(
    pipelines: Annotated[list[str] | None, Pipelines] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Restore damaged files from intact copies, move the rest to lost+found/, and rebuild the "
            "registry. Waits until no night is running.",
        ),
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check files against their digests and records, and the registry. Exit code 1 if damaged; notes do not count."""
    configure(verbose, read_only=True)
    codes = []

    def body() -> tuple[dict[str, Any], str]:
        from deployments.maintenance.fsck import check_store

        facts, text = check_store(list(pipelines or []), repair)
        codes.append(facts["exit_code"])
        return facts, text

    run_command(body, as_json, verbose)
    raise typer.Exit(codes[0])


def gc(
    keep: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="Keep everything of nights younger than this, and of the last night before them."
        ),
    ] = "90d",
    apply: Annotated[bool, typer.Option("--apply", help="Delete; by default nothing is deleted.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Delete what old nights left behind: tables, pages, cached results, and models that never served.

    A dry run by default. Published forecasts, actuals, accuracy, anomalies, decisions, manifests, contracts and every
    model that ever was champion are kept for ever.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.maintenance.gc import collect_garbage

        return collect_garbage(keep, apply)

    run_command(body, as_json, verbose)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: nightcast fsck --repair")(fsck)
    app.command(epilog="Example: nightcast gc --keep 90d --apply")(gc)
