"""Verbs about data that come in: `init` writes a pipeline, `schema` prints its form, `quarantine` what was not used."""

from typing import Annotated, Any

import typer

from deployments.cli.output import Json, Verbose, run_command
from deployments.process_environment import configure

Name = typer.Option(help="Name of the pipeline; by default that of the table.")


def init(  # noqa: PLR0913, PLR0917 - an argument is an option of the command line
    where: Annotated[
        str, typer.Argument(metavar="TABLE", help="A CSV or Parquet file, a folder, a glob or a URL; or a database.")
    ],
    table: Annotated[str | None, typer.Option(metavar="NAME", help="The table of a database.")] = None,
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where to write the two files.")] = ".",
    name: Annotated[str | None, Name] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The time; else it is guessed, as are all below.")
    ] = None,
    ids: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="The name of the series.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="What is forecast.")] = None,
    freq: Annotated[str | None, typer.Option(help="Step in pandas' words: h, 30min, D, B, W-MON, MS.")] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Of times that carry none: Europe/Berlin.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Steps to forecast.")] = None,
    repeated: Annotated[
        str | None, typer.Option(help="Rows of one series and time: reject, first, last, mean, sum.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what an earlier init wrote.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Look at a table, guess the pipeline it wants, and write it with a contract: both run as they are.

    Says what was guessed and how sure it is. Never overwrites a file without --force.
    """
    configure(verbose, looks_only=True)

    def found() -> tuple[dict[str, Any], str]:
        from deployments.commands.init import init_pipeline, parse_hints

        told = {"time": time, "id": ids, "target": target, "freq": freq, "timezone": timezone, "horizon": horizon}
        return init_pipeline((where, table), (out, name), parse_hints({**told, "repeated": repeated}), force)

    run_command(found, as_json, verbose)


def schema(as_json: Json = False, verbose: Verbose = False) -> None:
    """Print the JSON schema of a pipeline YAML, for editors: every field, its type and its default."""
    configure(verbose, looks_only=True)

    def found() -> tuple[dict[str, Any], str]:
        from deployments.commands.schema import pipeline_schema, schema_text

        return pipeline_schema(), schema_text()

    run_command(found, as_json, verbose)


def quarantine(
    pipeline: Annotated[str, typer.Argument(help="A pipeline YAML, or a name under deployments/pipelines/.")],
    as_of: Annotated[str | None, typer.Option(help="The night; by default the newest.")] = None,
    export: Annotated[str | None, typer.Option(metavar="FILE", help="Write the rows as .csv or .parquet.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """The rows that a night did not use, by rule and series, with the way out; and the rows themselves as a file.

    The file has the columns of the source, so that it can be mended and read again.
    """
    configure(verbose, looks_only=True)

    def found() -> tuple[dict[str, Any], str]:
        from deployments.commands.quarantine import list_rejected

        return list_rejected(pipeline, as_of, export, force)

    run_command(found, as_json, verbose)


def add_to(app: typer.Typer) -> None:
    """Make them verbs of the command."""
    app.command(epilog="Example: nightcast init sales.csv --name shops")(init)
    app.command(epilog="Example: nightcast schema > pipeline.schema.json")(schema)
    app.command(epilog="Example: nightcast quarantine shops --export rejected.csv")(quarantine)
