"""The `nightcast` command. Results go to stdout, everything else to stderr; the exit code states the outcome."""

import sys
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

from deployments.cli import (
    backtest_command,
    data_commands,
    maintenance_commands,
    promotion_commands,
    real_time_commands,
    server_commands,
)
from deployments.cli.champion_commands import champion
from deployments.cli.contract_commands import contract
from deployments.cli.habits import Pipeline, print_version
from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure
from flows.runs.interruption import announce, end_within_grace, exit_at_once, interruption_of, raise_on_signals

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Retrains recurrent forecasters every night and publishes forecasts that can be trusted unattended.",
    epilog="Exit codes: 0 done · 2 wrong spec, contract, arguments or missing source · 3 data broke its contract, "
    "nothing new was published · 4 no champion to forecast with · 1 anything else.",
)

data_commands.add_to(app)
server_commands.add_to(app)
real_time_commands.add_to(app)
maintenance_commands.add_to(app)
promotion_commands.add_to(app)
app.add_typer(contract, name="contract")
app.add_typer(champion, name="champion")

AsOf = Annotated[str | None, typer.Option(help="Only data before this instant are used; a date means its midnight.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Publish, promote and register nothing; results are under dry-runs/.")
]
Server = Annotated[
    bool, typer.Option("--server/--no-server", help="Record the run on a Prefect server, or run without any.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Run an as-of in the future, or publish a retracted vintage again.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show only warnings on stderr.")]


@app.callback()
def _with_version(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


class FlowCommand(NamedTuple):
    """A command that runs one flow for one as-of: its help text and the options of its example."""

    help: str
    example: str


FLOW_COMMANDS = {
    "nightly": FlowCommand(
        "Run the whole night: ingest, validate, train, evaluate, register, forecast, check for drift, report.",
        "nyc-delays --as-of 2013-11-30",
    ),
    "retrain": FlowCommand("Train, evaluate and register models; publish nothing.", "nyc-delays --as-of 2013-11-30"),
    "forecast": FlowCommand(
        "Forecast with the current champion and publish; train nothing.", "nyc-delays --as-of 2013-12-01 --json"
    ),
    "monitor": FlowCommand(
        "Score past forecasts against actuals, check for drift, write the page.", "nyc-delays --as-of 2013-12-01"
    ),
}


def _flow_command(flow: str) -> Callable[..., None]:
    def command(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
        pipeline: Pipeline,
        as_of: AsOf = None,
        dry_run: DryRun = False,
        server: Server = True,
        force: Force = False,
        as_json: Json = False,
        verbose: Verbose = False,
        quiet: Quiet = False,
    ) -> None:
        configure(verbose, quiet, run=True)

        def body() -> tuple[dict[str, Any], str]:
            from deployments.commands.run_flow import FlowRequest, run_flow

            with end_within_grace():
                return run_flow(FlowRequest(flow, pipeline, as_of, dry_run, force, server))

        run_command(body, as_json, verbose)

    return command


for _name, _command in FLOW_COMMANDS.items():
    app.command(_name, help=_command.help, epilog=f"Example: nightcast {_name} {_command.example}")(
        _flow_command(_name)
    )


@app.command(epilog="Example: nightcast backfill nyc-delays --from 2013-11-28 --to 2013-11-30")
def backfill(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    pipeline: Pipeline,
    start: Annotated[
        str | None, typer.Option("--from", help="First day or instant; by default after the newest vintage.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day or instant; by default now.")] = None,
    dry_run: DryRun = False,
    server: Server = True,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Run missed nights, oldest first, each with the data known at its time; published nights are skipped."""
    configure(verbose, quiet, run=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.run_flow import run_backfill

        with end_within_grace():
            return run_backfill(pipeline, start, end, dry_run, server)

    run_command(body, as_json, verbose)


@app.command(epilog="Example: nightcast tune nyc-delays --as-of 2013-11-30 --trials 20")
def tune(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    pipeline: Pipeline,
    as_of: AsOf = None,
    trials: Annotated[int, typer.Option(min=1, help="Configurations to try; the pipeline's own is the first.")] = 20,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Start no trial after this time; if omitted, runs are reproducible.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed tries other configurations.")] = 0,
    out: Annotated[
        str | None,
        typer.Option(help="Write the best configuration here in any case; default: NAME-tuned.yaml, if it is better."),
    ] = None,
    server: Server = True,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Search for a better model, training and lookback on the validation windows; compare the best on the test part.

    Ctrl-C ends the search and compares the best so far; the same command continues the search.
    """
    configure(verbose, quiet, run=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.tune import write_tuned_pipeline
        from tasks.search.search import SearchBudget

        budget = SearchBudget(trials=trials, minutes=minutes, seed=seed)
        return write_tuned_pipeline(pipeline, as_of, budget, out, server)

    run_command(body, as_json, verbose)


backtest_command.add_to(app)


@app.command(epilog="Example: nightcast check deployments/pipelines/nyc-delays.yaml")
def check(pipeline: Pipeline, as_of: AsOf = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Validate the spec, the contract and the source; run nothing and write nothing."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.check import check_pipeline

        return check_pipeline(pipeline, as_of)

    run_command(body, as_json, verbose)


@app.command(epilog="Example: nightcast show nyc-delays --series JFK-all")
def show(
    pipeline: Pipeline,
    series: Annotated[str | None, typer.Option(help="Series to plot; by default the largest.")] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print the latest forecasts, the leaderboard and the paths of the newest night."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.show import newest_forecasts

        return newest_forecasts(pipeline, series)

    run_command(body, as_json, verbose)


@app.command("list", epilog="Example: nightcast list --json")
def list_pipelines(as_json: Json = False, verbose: Verbose = False) -> None:
    """List every pipeline with its last night, its next night and its state."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.list_nights import list_nights

        return list_nights()

    run_command(body, as_json, verbose)


def main() -> None:
    """Entry point of the `nightcast` command."""
    try:
        raise_on_signals()
        app(prog_name="nightcast")
    except (SystemExit, KeyboardInterrupt) as ended:
        if interruption := interruption_of(ended):
            announce(interruption)  # outside a command, as while it is parsed, nobody else has
            exit_at_once(1)
        deadline = sys.modules.get("tasks.engine.deadline")  # loaded once a source is read
        if deadline and deadline.has_abandoned_work():
            exit_at_once(code if isinstance(code := getattr(ended, "code", 1), int) else 1)
        raise
