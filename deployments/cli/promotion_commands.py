"""`nightcast promote`, `rollback` and `retract`: change the champion, or take a forecast back, by hand."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

Pipeline = Annotated[str, typer.Argument(help="A pipeline YAML, or a name in NIGHTCAST_PIPELINES.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded with the decision.")]
IfCurrent = Annotated[
    str, typer.Option("--if-current", metavar="VERSION", help="Refuse unless this version is still the champion.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog="Example: nightcast promote nyc-delays 7 --reason 'the campaign changed the weekends'")(promote)
    app.command(epilog="Example: nightcast retract nyc-delays 2013-11-30 --reason 'wrong calendar'")(retract)
    app.command(epilog="Example: nightcast rollback nyc-delays --reason 'forecasts of JFK are 20 % too high'")(rollback)


def promote(
    pipeline: Pipeline,
    reason: Reason,
    version: Annotated[str, typer.Argument(help="A version in MLflow; by default that of the alias challenger.")] = "",
    if_current: IfCurrent = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make a version the champion from the next night on. The next gate compares the challengers with it.

    Exit code 2 if the version does not fit the pipeline, 1 if another person or a night was faster.
    """
    _change(pipeline, "promote", version, reason, if_current, as_json, verbose)


def rollback(
    pipeline: Pipeline,
    reason: Reason,
    version: Annotated[str, typer.Argument(help="A former champion; by default the latest that can be used.")] = "",
    if_current: IfCurrent = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make a former champion the champion again from the next night on.

    Exit code 2 if the pipeline has no former champion that fits, 1 if another person or a night was faster.
    """
    _change(pipeline, "rollback", version, reason, if_current, as_json, verbose)


def retract(
    pipeline: Pipeline,
    vintage: Annotated[str, typer.Argument(help="The as-of of the vintage, or the name of its folder.")],
    reason: Reason,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Take a published vintage back: it leaves forecasts/, and latest/ moves back to the newest that is left.

    A schedule or a backfill does not publish it again; `nightcast nightly --as-of … --force` does.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.retract import retract_vintage

        return retract_vintage(pipeline, vintage, reason)

    run_command(body, as_json, verbose)


def _change(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    pipeline: str, action: str, version: str, reason: str, if_current: str, as_json: bool, verbose: bool
) -> None:
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from flows.runs.manual_change import ChangeRequest, change_champion

        return change_champion(ChangeRequest(pipeline, action, version, reason, if_current=if_current))  # type: ignore[arg-type]

    run_command(body, as_json, verbose)
