"""`nightcast read`: a published table as CSV, JSON or Parquet, on stdout or in a file."""

import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_contracts.errors import SpecError
from flows.pipeline.published import ReadRequest, read_table
from flows.settings import Settings
from tasks.history.conversion import FORMATS, to_bytes, to_records
from tasks.history.published import nearest
from tasks.storage import files


def read_published(
    request: ReadRequest, file_format: str | None, output: str | None, force: bool, as_json: bool
) -> tuple[dict[str, Any], str] | None:
    """Read a published table, and write it to a file or to stdout.

    Args:
        request: What to read.
        file_format: csv, parquet or json; None: that of the suffix of `output`, else csv.
        output: The file; None: stdout.
        force: Overwrite the file.
        as_json: The facts are printed, with the rows unless they go to a file.

    Returns:
        Facts and the same as text; None if the table was written to stdout.

    Raises:
        SpecError: The format is unknown, or the file exists.
    """
    chosen = _format_of(file_format, output)
    if output and Path(output).exists() and not force:
        raise SpecError(
            f"{output} already exists and was not changed. Choose another name, or overwrite it with --force."
        )
    if chosen == "parquet" and not output and not as_json and sys.stdout.isatty():
        raise SpecError("Parquet is not text. Give --output FILE.parquet, or send stdout to a file.")
    table = read_table(request, Settings().opened_store)
    facts: dict[str, Any] = {
        "pipeline": request.pipeline,
        "table": request.table,
        "rows": len(table),
        "columns": table.column_names,
        "vintages": _vintages(table),
        "output": output,
    }
    if output:
        path = Path(output).absolute()
        files.write(str(path.parent), path.name, to_bytes(table, chosen))
        return facts, f"{len(table):,} rows of {request.table} in {output}"
    if as_json:
        return facts | {"records": to_records(table)}, ""
    _write_stdout(to_bytes(table, chosen))
    return None


def _format_of(file_format: str | None, output: str | None) -> str:
    suffix = Path(output).suffix.lstrip(".").lower() if output else ""
    chosen = file_format or (suffix if suffix in FORMATS else "csv")
    if chosen not in FORMATS:
        raise SpecError(f"unknown format {chosen!r}{nearest(chosen, list(FORMATS))}. Formats: {', '.join(FORMATS)}.")
    return chosen


def _vintages(table: pa.Table) -> list[str]:
    """Return the as-ofs in a table, oldest first; none for history."""
    if "as_of" not in table.column_names:
        return []
    return [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in sorted(table["as_of"].unique().to_pylist())]


def _write_stdout(data: bytes) -> None:
    """Write a table to stdout. A reader such as `head` that has seen enough is not an error."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
