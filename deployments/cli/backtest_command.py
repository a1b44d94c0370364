"""`nightcast backtest`: forecasts of past nights again, and their scores."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.cli.habits import Pipeline
from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure
from flows.runs.interruption import end_within_grace

EXAMPLE = "Example: nightcast backtest nyc-delays --from 2013-11-01 --to 2013-11-28 --model champion --model baseline"


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(epilog=EXAMPLE)(backtest)


def backtest(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    pipeline: Pipeline,
    start: Annotated[str, typer.Option("--from", help="First origin; a date is its first moment.")],
    end: Annotated[str, typer.Option("--to", help="Last day or instant of an origin.")],
    every: Annotated[
        str | None, typer.Option(help="Distance of origins, such as 12h; by default a day, or one longer step.")
    ] = None,
    refit: Annotated[
        str, typer.Option(help="Train the first model of the pipeline: never, at each origin, or at every N-th.")
    ] = "never",
    model: Annotated[
        list[str] | None,
        typer.Option(help="champion, a version or baseline, also several times; by default champion, or the refit."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Weights of series in MASE, RMSSE and wql_series: equal, or volume (mean of |y|).")
    ] = "equal",
    output: Annotated[
        Path | None, typer.Option(help="Write forecasts and scores to this folder, as Parquet and CSV.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Actuals that are known before this instant score.")] = None,
    server: Annotated[
        bool, typer.Option("--server/--no-server", help="Record the run on a Prefect server, or run without any.")
    ] = True,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only warnings on stderr.")] = False,
) -> None:
    """Forecast again at origins of the past, as known at each, and score the forecasts; change nothing.

    With columns.known_at, an origin sees the row versions known before it; otherwise what a night read, or the values
    of now. Exit code 2 for a wrong range or model, 4 without a champion.
    """
    configure(verbose, quiet, run=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.backtest import BacktestRequest, run_backtest
        from tasks.backtest.settings import BacktestSpec

        options = BacktestSpec.parse(every, refit, tuple(model or ()), weights)
        with end_within_grace():
            return run_backtest(BacktestRequest(pipeline, start, end, options, as_of, output, server))

    run_command(body, as_json, verbose)
