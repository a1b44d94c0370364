"""Commands about forecasts in real time: `serve` starts the service, `export` writes the champion as an ONNX graph."""

from typing import Annotated, Any, Literal

import typer

from deployments.cli.habits import Pipeline
from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure


def serve(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    pipeline: Pipeline,
    host: Annotated[str, typer.Option(help="Address to listen on; any but this machine needs NIGHTCAST_SERVE_KEY.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8000,
    engine: Annotated[
        Literal["torch", "onnx"], typer.Option(help="onnx runs without PyTorch; needs the extra nightcast[onnx].")
    ] = "torch",
    state: Annotated[
        Literal["lookback", "carried"],
        typer.Option(
            help="Forecast from the lookback, as in a night, or from the carried state of the encoder if exact."
        ),
    ] = "lookback",
    rate: Annotated[float, typer.Option(min=0, help="Requests a second from one address; 0: no limit.")] = 0.0,
    max_body: Annotated[int, typer.Option(min=1, metavar="MB", help="Largest body of a request.")] = 32,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest time to an answer.")] = 60.0,
    poll: Annotated[float, typer.Option(min=0.1, help="Seconds between looks for another champion.")] = 5.0,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Serve forecasts of the champion over HTTP, with states that follow each observation. In the foreground.

    A page is at /, the description of the API at /openapi.json. SIGTERM ends it after the running requests.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.api.guards import Limits
        from deployments.api.inference.champion import ServeOptions
        from deployments.api.server import ServeRequest
        from deployments.api.server import serve as run

        limits = Limits(body_bytes=max_body * 2**20, answer_s=max_seconds, rate=rate)
        options = ServeOptions(engine, state == "carried")
        return run(ServeRequest(pipeline, host, port, options, limits, poll))

    run_command(body, as_json, verbose)


def export(
    pipeline: Pipeline,
    onnx: Annotated[str, typer.Option(metavar="FILE", help="Write the graph of the champion here.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write the champion's networks as an ONNX graph, with the state of the encoder as input and output."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.export import export_champion

        return export_champion(pipeline, onnx, force)

    run_command(body, as_json, verbose)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: nightcast serve nyc-delays --port 8000 --engine onnx")(serve)
    app.command(epilog="Example: nightcast export nyc-delays --onnx champion.onnx")(export)
