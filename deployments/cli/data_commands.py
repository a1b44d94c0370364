"""Commands about data: `init` writes a pipeline, `schema` its JSON schema, `quarantine` and `read` print rows."""

import sys
from typing import Annotated, Any

import typer

from deployments.cli.habits import Pipeline
from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

Name = typer.Option(help="Name of the pipeline; by default derived from the table's name.")


def init(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    table_path: Annotated[str, typer.Argument(metavar="TABLE", help="A file, a folder, a glob, a URL or a database.")],
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="The table of a database, or the sheet of a workbook.")
    ] = None,
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Folder for the two files.")] = ".",
    name: Annotated[str | None, Name] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The time column. This and all below are inferred if omitted.")
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="The column that names the series, or several: store,item."),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to forecast.")] = None,
    freq: Annotated[str | None, typer.Option(help="Step as a pandas frequency: h, 30min, D, B, W-MON, MS.")] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of times without an offset: Europe/Berlin.")
    ] = None,
    stamps: Annotated[
        str | None, typer.Option(help="Whether a time is the begin or the end of its period: begin, end.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps to forecast.")] = None,
    repeated: Annotated[
        str | None, typer.Option(help="Rows with the same series and time: reject, first, last, mean, sum.")
    ] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal separator of numbers that are text: . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(help="Their thousands separator: , or . or ' or a space.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files of an earlier init.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Infer a pipeline and a contract from a table, and write them: both run unedited.

    Prints each inference with its confidence. Never overwrites a file without --force.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.init_request import InitRequest, check_request

        request = InitRequest(table_path, table, out, name, force)
        check_request(request)
        sys.stderr.write(f"Reading {request.label} …\n")
        sys.stderr.flush()  # the imports below and the table take seconds
        from deployments.commands.init import init_pipeline, parse_hints

        options = {"time": time, "id": ids, "target": target, "freq": freq, "timezone": timezone, "horizon": horizon}
        styles = {"decimal": decimal, "thousands": thousands}
        hints = parse_hints({**options, **styles, "stamps": stamps, "repeated": repeated})
        return init_pipeline(request, hints)

    run_command(body, as_json, verbose)


def schema(as_json: Json = False, verbose: Verbose = False) -> None:
    """Print the JSON schema of a pipeline YAML for editors: every field with its type and default."""
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.schema import pipeline_schema, schema_text

        return pipeline_schema(), schema_text()

    run_command(body, as_json, verbose)


def quarantine(
    pipeline: Pipeline,
    as_of: Annotated[str | None, typer.Option(help="As-of of the night; by default the newest.")] = None,
    export: Annotated[str | None, typer.Option(metavar="FILE", help="Write the rows as .csv or .parquet.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the rows that a night rejected, by rule and series, with the fix; optionally export them.

    The exported file has the columns of the source, so that it can be corrected and read again.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str]:
        from deployments.commands.quarantine import list_rejected

        return list_rejected(pipeline, as_of, export, force)

    run_command(body, as_json, verbose)


def read(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    pipeline: Annotated[str, typer.Argument(help="A pipeline YAML, or a name, also of a folder in the store alone.")],
    table: Annotated[
        str,
        typer.Option(
            help="forecasts, actuals, accuracy, anomalies, comparison (forecast and actual), lead_times (accuracy by "
            "step), history, changes."
        ),
    ] = "forecasts",
    as_of: Annotated[
        str | None, typer.Option(help="Only what was published for nights at or before this instant.")
    ] = None,
    vintages: Annotated[str, typer.Option(help="Of forecasts: newest or all.")] = "newest",
    ds: Annotated[
        str | None, typer.Option(metavar="FROM..TO", help="Only these times, both ends included; or one date.")
    ] = None,
    series: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this series; may be repeated.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="csv, parquet or json; by default that of FILE, else csv.")
    ] = None,
    output: Annotated[str | None, typer.Option(metavar="FILE", help="Write here instead of to stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print what a pipeline has published: forecasts of any vintage, actuals, accuracy, anomalies, the history.

    Vintages with different quantile levels are unified by name. Dates are in the time zone of the pipeline's YAML, or
    in UTC if there is only the store.
    """
    configure(verbose, read_only=True)

    def body() -> tuple[dict[str, Any], str] | None:
        from deployments.commands.read import read_published
        from flows.pipeline.published import ReadRequest

        request = ReadRequest(pipeline, table, as_of, vintages, ds, tuple(series or ()))
        return read_published(request, file_format, output, force, as_json)

    run_command(body, as_json, verbose)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: nightcast init sales.csv --name shops")(init)
    app.command(epilog="Example: nightcast schema > pipeline.schema.json")(schema)
    app.command(epilog="Example: nightcast read nyc-delays --vintages all --ds 2013-11-30 --series JFK/AA")(read)
    app.command(epilog="Example: nightcast quarantine shops --export rejected.csv")(quarantine)
