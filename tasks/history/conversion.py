"""A table at the edge: Arrow for programs, pandas or Polars for notebooks, CSV, JSON or Parquet for files."""

import io
import json
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from data_contracts.errors import SpecError

Library = Literal["pandas", "polars", "arrow"]
LIBRARIES = ("pandas", "polars", "arrow")
FORMATS = ("csv", "parquet", "json")
JSON_BLOCK_ROWS = 10_000


def to_library(table: pa.Table, library: Library) -> Any:
    """Convert a table for a notebook.

    Args:
        table: The table.
        library: The library that the result is of.

    Returns:
        A pandas or Polars frame, or the Arrow table.

    Raises:
        SpecError: The library is unknown or not installed.
    """
    if library not in LIBRARIES:
        raise SpecError(f"unknown library {library!r}; write one of {', '.join(LIBRARIES)}.")
    if library == "arrow":
        return table
    if library == "pandas":
        return table.to_pandas()
    try:
        import polars  # type: ignore[import-not-found, unused-ignore]
    except ImportError as missing:
        raise SpecError("Polars is not installed. Run pip install polars, or read with library='pandas'.") from missing
    return polars.from_arrow(table)


def to_arrow(frame: Any) -> pa.Table:
    """Convert a frame of any of the three libraries to Arrow.

    Args:
        frame: A pandas or Polars frame, or an Arrow table.

    Returns:
        The same columns and rows. A column of pandas that mixes kinds of values is text, so that whoever reads it can
        name the cell that is wrong.

    Raises:
        SpecError: The object is not a table.
    """
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pd.DataFrame):
        return _from_pandas(frame)
    if hasattr(frame, "__arrow_c_stream__"):  # Polars, DuckDB and others
        return pa.table(frame)
    kind = type(frame).__name__
    raise SpecError(f"a table is needed, and this is a {kind}. Give a pandas or Polars frame, or a pyarrow Table.")


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        mixed = [name for name in frame.columns if not _has_arrow_type(frame[name])]
        as_text = {name: frame[name].map(str, na_action="ignore") for name in mixed}
        return pa.Table.from_pandas(frame.assign(**as_text), preserve_index=False)


def _has_arrow_type(column: pd.Series) -> bool:
    try:
        pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def to_bytes(table: pa.Table, file_format: str) -> bytes:
    """Write a table as a file.

    Args:
        table: The table.
        file_format: csv, json or parquet. Times in text are ISO 8601 in UTC; a missing value is empty, or null in JSON.

    Returns:
        The bytes of the file.
    """
    sink = io.BytesIO()
    if file_format == "parquet":
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    elif file_format == "json":
        sink.write(b"[")
        for number, batch in enumerate(with_text_times(table).to_batches(max_chunksize=JSON_BLOCK_ROWS)):
            rows = (json.dumps(_finite(row), ensure_ascii=False) for row in batch.to_pylist())
            sink.write((",\n" if number else "\n").encode() + ",\n".join(rows).encode())
        sink.write(b"\n]\n")
    else:
        options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
        pyarrow.csv.write_csv(with_text_times(table), sink, options)
    return sink.getvalue()


def to_records(table: pa.Table) -> list[dict[str, Any]]:
    """Convert a table to objects for JSON.

    Args:
        table: The table.

    Returns:
        One object per row, times as ISO 8601 in UTC.
    """
    return [_finite(row) for row in with_text_times(table).to_pylist()]


def with_text_times(table: pa.Table) -> pa.Table:
    """Replace times by ISO 8601 text: 2024-03-08T05:00:00Z, with a fraction only if a time has one.

    Args:
        table: The table.

    Returns:
        The same columns, times as text.
    """
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            column = table.column(index)
            seconds = pc.floor_temporal(column, unit="second")
            if pc.all(pc.equal(seconds, column)).as_py() is not False:
                column = column.cast(pa.timestamp("s", field.type.tz))
            table = table.set_column(index, field.name, pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ"))
    return table


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which numbers that JSON does not have are None."""
    return {name: None if isinstance(value, float) and value - value != 0.0 else value for name, value in row.items()}
