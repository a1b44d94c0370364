"""Commands about servers: `up` on one machine, `deploy` to a Prefect server, `doctor` for health checks."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from data_contracts.errors import SpecError
from deployments.cli.habits import complete_pipelines
from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure, prefect_home, variable


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Prefect UI.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MLflow UI.")] = 5000,
    mlflow: Annotated[
        bool, typer.Option(help="Start the MLflow UI; never started if NIGHTCAST_MLFLOW_URI is an http URL.")
    ] = True,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Start the Prefect UI, the MLflow UI and every schedule on this machine, in the foreground, on 127.0.0.1.

    Ctrl-C stops everything. A process that dies is restarted.
    """
    configure(verbose)
    has_mlflow_server = variable("NIGHTCAST_MLFLOW_URI").startswith("http")

    def body() -> None:
        from deployments.local_stack.up import Ports, up

        up(Ports(port, mlflow_port if mlflow and not has_mlflow_server else None), as_json)

    run_command(body, as_json, verbose)


def deploy(
    pool: Annotated[str, typer.Option(help="Work pool whose workers run the nights; created if missing.")] = (
        "nightcast"
    ),
    pool_type: Annotated[str, typer.Option(help="Type of a new pool: process, docker, kubernetes …")] = "process",
    job_variable: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Job variable of the pool: image=nightcast; VALUE may be JSON."),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Register every pipeline with its schedule on the Prefect server at PREFECT_API_URL.

    Running it again without a change of the pipelines changes nothing.
    """
    configure(verbose)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.server.deploy import WorkPool, deploy

        return deploy(WorkPool(pool, pool_type, dict(_parse_job_variable(text) for text in job_variable or [])))

    run_command(body, as_json, verbose)


def _parse_job_variable(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise SpecError(f"--job-variable {text!r} has no value. Write it as NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def doctor(
    pipelines: Annotated[
        list[str] | None,
        typer.Argument(help="Pipelines to check; by default all.", autocompletion=complete_pipelines),
    ] = None,
    max_age: Annotated[str, typer.Option(help="Report an error if the newest forecast is older than this.")] = "26h",
    as_of: Annotated[str | None, typer.Option(help="Check as if it were this time. Default: now.")] = None,
    notify: Annotated[
        bool,
        typer.Option(
            "--notify", help="Send problems not yet reported to the Prefect block nightcast-notify. Meant for cron."
        ),
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check everything that nights need and print each problem with the next step. Exit code 1 if there is one.

    With --notify, problems go to the notification block of the Prefect server, also while that server is down.
    \f

    Raises:
        typer.Exit: always; the exit code says whether a finding is bad.
    """
    configure(verbose, read_only=True)
    codes = []

    def body() -> tuple[dict[str, Any], str]:
        from deployments.doctor.examine import examine

        facts, text = examine(list(pipelines or []), max_age, as_of)
        codes.append(facts["exit_code"])
        if notify:
            from deployments.doctor.notification import notify_changes

            scope = ",".join(sorted(pipelines or [])) or "all"
            delivery = notify_changes(facts["findings"], prefect_home(), datetime.now(UTC), scope)
            codes[0] = 1 if delivery.error else codes[0]
            facts["notified"], text = delivery._asdict(), f"{text}\n{delivery.text}"
        return facts, text

    run_command(body, as_json, verbose)
    raise typer.Exit(codes[0])


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: nightcast up --port 4201 --mlflow-port 5001")(up)
    app.command(epilog="Example: PREFECT_API_URL=http://127.0.0.1:4200/api nightcast deploy --pool nightcast")(deploy)
    app.command(epilog="Example: nightcast doctor --max-age 26h")(doctor)
