"""Verbs about what runs the nights: `up` on one machine, `deploy` on a server, `doctor` from outside."""

import json
from typing import Annotated, Any

import typer

from data_contracts.errors import SpecError
from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure, variable


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the Prefect UI.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Of the MLflow UI.")] = 5000,
    mlflow: Annotated[
        bool, typer.Option(help="Start the MLflow UI; none is where NIGHTCAST_MLFLOW_URI is http.")
    ] = True,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Start the Prefect UI, the MLflow UI and every schedule on this machine, in the foreground, on 127.0.0.1.

    Ctrl-C stops everything. A child that dies is started again.
    """
    configure(verbose)
    elsewhere = variable("NIGHTCAST_MLFLOW_URI").startswith("http")

    def found() -> None:
        from deployments.local_stack.up import Ports, up

        up(Ports(port, mlflow_port if mlflow and not elsewhere else None), as_json)

    run_command(found, as_json, verbose)


def deploy(
    pool: Annotated[str, typer.Option(help="The work pool whose workers run the nights; made if it is not there.")] = (
        "nightcast"
    ),
    pool_type: Annotated[str, typer.Option(help="Of a new pool: process, docker, kubernetes …")] = "process",
    job_variable: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the pool's jobs, as image=nightcast; or JSON.")
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Register every pipeline with its schedule on the Prefect server of PREFECT_API_URL. Twice changes nothing."""
    configure(verbose)

    def found() -> tuple[dict[str, Any], str]:
        from deployments.server.deploy import WorkPool, deploy

        return deploy(WorkPool(pool, pool_type, dict(_named(one) for one in job_variable or [])))

    run_command(found, as_json, verbose)


def _named(word: str) -> tuple[str, Any]:
    name, sign, value = word.partition("=")
    if not sign:
        raise SpecError(f"--job-variable {word!r} has no value; write NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def doctor(
    pipelines: Annotated[list[str] | None, typer.Argument(help="Pipelines to look at; by default all.")] = None,
    max_age: Annotated[str, typer.Option(help="Forecasts older than this are wrong.")] = "26h",
    as_of: Annotated[str | None, typer.Option(help="The instant at which to look; by default now.")] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Look from outside at everything that nights need, and name what is wrong and the next step. Exit code 1 if so."""
    configure(verbose, looks_only=True)
    codes = []

    def found() -> tuple[dict[str, Any], str]:
        from deployments.doctor.examine import examine

        facts, text = examine(list(pipelines or []), max_age, as_of)
        codes.append(facts["exit_code"])
        return facts, text

    run_command(found, as_json, verbose)
    raise typer.Exit(codes[0])


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file, each with an example."""
    app.command(epilog="Example: nightcast up --port 4201 --mlflow-port 5001")(up)
    app.command(epilog="Example: PREFECT_API_URL=http://127.0.0.1:4200/api nightcast deploy --pool nightcast")(deploy)
    app.command(epilog="Example: nightcast doctor --max-age 26h")(doctor)
