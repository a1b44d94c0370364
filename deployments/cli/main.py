"""The command line: `nightcast VERB PIPELINE`. Results on stdout, everything else on stderr, the exit code says how."""

from typing import Annotated, Any

import typer

from deployments.cli.contract_commands import contract
from deployments.cli.data_commands import add_to as _add_intake_verbs
from deployments.cli.output import Json, Verbose
from deployments.cli.output import run_command as _answer
from deployments.cli.server_commands import add_to as _add_stack_verbs
from deployments.process_environment import configure, drop_unreachable_server

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Retrains recurrent forecasters every night and publishes forecasts that can be trusted unattended.",
    epilog="Exit codes: 0 done · 2 wrong spec, contract or arguments · 3 data broke its contract, nothing new was "
    "published · 4 no champion to forecast with · 1 anything else.",
)

_add_intake_verbs(app)
_add_stack_verbs(app)
app.add_typer(contract, name="contract")

Pipeline = Annotated[str, typer.Argument(help="A pipeline YAML, or a name under deployments/pipelines/.")]
AsOf = Annotated[str | None, typer.Option(help="Instant up to which anything is known; a date is its midnight.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Publish, promote and register nothing; look under dry-runs/ in the store.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings on stderr.")]


@app.command(epilog="Example: nightcast nightly nyc-delays --as-of 2013-11-30")
def nightly(
    pipeline: Pipeline,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """The whole night: ingest, validate, train, evaluate, register, forecast, watch drift, report."""
    _run("nightly", (pipeline, as_of), dry_run, as_json, (verbose, quiet))


@app.command(epilog="Example: nightcast retrain nyc-delays --as-of 2013-11-30")
def retrain(
    pipeline: Pipeline,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train, judge and register; publish nothing."""
    _run("retrain", (pipeline, as_of), dry_run, as_json, (verbose, quiet))


@app.command(epilog="Example: nightcast forecast nyc-delays --as-of 2013-12-01 --json")
def forecast(
    pipeline: Pipeline,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Forecast with the champion there is, and publish; no training."""
    _run("forecast", (pipeline, as_of), dry_run, as_json, (verbose, quiet))


@app.command(epilog="Example: nightcast monitor nyc-delays --as-of 2013-12-01")
def monitor(
    pipeline: Pipeline,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Score past forecasts against what came, watch for drift, write the page."""
    _run("monitor", (pipeline, as_of), dry_run, as_json, (verbose, quiet))


@app.command(epilog="Example: nightcast backfill nyc-delays --from 2013-11-28 --to 2013-11-30")
def backfill(  # noqa: PLR0913, PLR0917 - an argument is an option of the command line
    pipeline: Pipeline,
    start: Annotated[
        str | None, typer.Option("--from", help="First day, or instant; by default after the newest vintage.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, or instant; by default now.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Run the nights that were missed, oldest first, each with what was known then; published ones are skipped."""
    configure(verbose, quiet)

    def answer() -> tuple[dict[str, Any], str]:
        drop_unreachable_server()
        from flows.backfill import backfill
        from flows.settings import Settings

        Settings().opened_store.check_writable()
        done = backfill(pipeline, start, end, dry_run)
        counts = f"{len(done.published)} nights published, {len(done.skipped)} were there already"
        word = "dry run" if dry_run else "done"
        return done.model_dump(mode="json"), "\n".join((*done.lines, f"{word} · backfill · {done.pipeline} · {counts}"))

    _answer(answer, as_json, verbose)


@app.command(epilog="Example: nightcast tune nyc-delays --as-of 2013-11-30 --trials 20")
def tune(  # noqa: PLR0913, PLR0917 - an argument is an option of the command line
    pipeline: Pipeline,
    as_of: AsOf = None,
    trials: Annotated[int, typer.Option(min=1, help="Configurations to try, the pipeline's own first.")] = 20,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="No trial begins later; without it the seed decides all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another seed tries other configurations.")] = 0,
    out: Annotated[
        str | None,
        typer.Option(
            help="Where to write the best, better or not; else NAME-write_tuned_pipeline.yaml, if it is better."
        ),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Search for better models and training on the validation windows, and judge the best once on the test windows.

    Ctrl-C ends the search and judges what it has; the same call again goes on from there.
    """
    configure(verbose, quiet)

    def answer() -> tuple[dict[str, Any], str]:
        from deployments.commands.tune import write_tuned_pipeline
        from tasks.search.search import SearchBudget

        return write_tuned_pipeline(pipeline, as_of, SearchBudget(trials=trials, minutes=minutes, seed=seed), out)

    _answer(answer, as_json, verbose)


@app.command(epilog="Example: nightcast check deployments/pipelines/nyc-delays.yaml")
def check(pipeline: Pipeline, as_of: AsOf = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Validate the spec, the contract and the source; run nothing and write nothing."""
    configure(verbose, looks_only=True)

    def answer() -> tuple[dict[str, Any], str]:
        from deployments.commands.check import check_pipeline

        return check_pipeline(pipeline, as_of)

    _answer(answer, as_json, verbose)


@app.command(epilog="Example: nightcast show nyc-delays --series JFK-all")
def show(
    pipeline: Pipeline,
    series: Annotated[str | None, typer.Option(help="The series to plot; by default the largest.")] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Latest forecasts, leaderboard and health."""
    configure(verbose, looks_only=True)

    def answer() -> tuple[dict[str, Any], str]:
        from deployments.commands.show import newest_forecasts

        return newest_forecasts(pipeline, series)

    _answer(answer, as_json, verbose)


def _run(flow: str, night: tuple[str, str | None], dry_run: bool, as_json: bool, talk: tuple[bool, bool]) -> None:
    verbose, quiet = talk
    configure(verbose, quiet)

    def answer() -> tuple[dict[str, Any], str]:
        from deployments.commands.run_flow import run_flow

        outcome = run_flow(flow, night, dry_run)
        return outcome, "\n".join((*outcome["lines"], last_line(outcome)))

    _answer(answer, as_json, verbose)


def last_line(outcome: dict[str, Any]) -> str:
    """How a run ended, in one line that a script can read too."""
    from tasks.storage.layout import dry_runs_dir

    told = [outcome["flow"], outcome["pipeline"], f"as of {outcome['as_of']}", f"verdict {outcome['verdict']}"]
    told += [f"{word} {outcome[word]}" for word in ("champion", "published", "page") if outcome[word]]
    told += [f"all of it below {dry_runs_dir(outcome['pipeline'])}/ in the store"] if outcome["dry_run"] else []
    return ("dry run · " if outcome["dry_run"] else "done · ") + " · ".join(told)


def main() -> None:
    """Entry point of the `nightcast` command."""
    app(prog_name="nightcast")
