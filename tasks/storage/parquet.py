"""Parquet files of the store: the same table gives the same bytes, and every page has a checksum.

A large table is written and read one part at a time.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.column_types import ARROW
from data_contracts.contract import Contract
from data_contracts.errors import ContractBroken

OPTIONS: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}


def to_contract_table(frame: pd.DataFrame | pa.Table, contract: Contract) -> pa.Table:
    """Cast columns to the types of a contract if no value is lost, whatever types pandas has made of them.

    Args:
        frame: The table, with the columns of the contract.
        contract: A built-in contract.

    Returns:
        The table, without pandas metadata.

    Raises:
        ContractBroken: The table violates its contract, which is a defect of Nightcast and not of the data.
    """
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    types = {column.name: ARROW[column.arrow] for column in contract.columns if column.arrow}
    for index, field in enumerate(table.schema):
        default = pa.string() if pa.types.is_large_string(field.type) else field.type
        target = types.get(field.name, default)
        if field.type != target:
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = table.set_column(index, field.name, table[field.name].cast(target))
    table = table.replace_schema_metadata(None)
    if violations := contract.violations(table):
        raise ContractBroken(f"the {contract.id} table", violations)
    return table


def to_parquet(table: pa.Table) -> bytes:
    """Return the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **OPTIONS)
    return sink.getvalue()


def read_parquet(data: bytes, columns: list[str] | None = None, dictionaries: list[str] | None = None) -> pa.Table:
    """Read a Parquet file that is held in memory.

    Args:
        data: The bytes of the file.
        columns: The columns to read; None: all.
        dictionaries: Text columns to read as dictionaries, so that a text is not held once per row.

    Returns:
        The table.

    Raises:
        ArrowException or OSError: A page is damaged.
    """
    source = pa.BufferReader(data)
    return pq.read_table(source, columns=columns, read_dictionary=dictionaries, page_checksum_verification=True)


def read_row_groups(
    source: Path | pa.NativeFile, columns: list[str] | None = None, dictionaries: list[str] | None = None
) -> Iterator[pa.Table]:
    """Read the row groups of a Parquet file one at a time; arguments as of `read_parquet`."""
    with open_parquet(source, dictionaries) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=columns)


def count_rows(source: Path | pa.NativeFile, *, decode: bool) -> int:
    """Count the rows of a Parquet file.

    Args:
        source: The file.
        decode: Whether every page is read, which finds a damaged one; else the footer alone.

    Returns:
        The number of rows.

    Raises:
        ArrowException or OSError: The file is not complete, or a page that is read is damaged.
    """
    if decode:
        return sum(group.num_rows for group in read_row_groups(source))
    with open_parquet(source) as file:
        return int(file.metadata.num_rows)


def open_parquet(source: Path | IO[bytes] | pa.NativeFile, dictionaries: list[str] | None = None) -> pq.ParquetFile:
    """Open a Parquet file on disk, whose pages are checked as they are read; `dictionaries` as of `read_parquet`."""
    return pq.ParquetFile(source, read_dictionary=dictionaries, page_checksum_verification=True)


class PartWriter:
    """Writes a table to a file one part at a time, so that only the part is held.

    The parts have the same columns, and no key occurs in two of them: the key is checked within each part.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self.contract, self.rows = contract, 0
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, part: pd.DataFrame | pa.Table) -> None:
        """Append a part, as row groups of its own. Raises ContractBroken."""
        table = to_contract_table(part, self.contract)
        self._writer = self._writer or pq.ParquetWriter(self._path, table.schema, **OPTIONS)
        self._writer.write_table(table)
        self.rows += table.num_rows

    def require_part(self) -> None:
        """Raise ValueError if no part was written."""
        if self._writer is None:
            raise ValueError(f"no part of the {self.contract.id} table was written")

    def close(self) -> None:
        """Complete the file, if a part was written."""
        if self._writer is not None:
            self._writer.close()
