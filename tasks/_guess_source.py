"""Opens a table of which nothing is known but where it lies: the one place that turns words into a source."""

import re
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa

from data_contracts.errors import SourceUnreadable, SpecError, redacted
from tasks._guess_words import Unguessable
from tasks._source import SourceSpec, read_source

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
TEXT = (".csv", ".tsv", ".txt")
MOST_SHOWN = 3


def source_of(where: str) -> SourceSpec:
    """A file, a folder, a glob or an fsspec URL. Raises SpecError where it is neither CSV nor Parquet."""
    if redacted(where) != where:
        raise SpecError(
            f"{redacted(where)} carries a password, and what init writes is kept: leave it out of the address."
        )
    scheme, found, _ = where.partition("://")
    if found and scheme not in fsspec.available_protocols():
        raise SpecError(f"{where}: no reader for {scheme}:// is known; give a file, a folder or a URL.")
    if not found and not re.search(r"[*?\[]", where) and not Path(where).exists():
        raise Unguessable(f"{where}: there is no such file or folder.")
    files = _inside(where)
    kind = _kind(files, where)
    alone = kind == "csv" and len(files) == 1  # beside it there may be a README
    return SourceSpec(kind=kind, path=files[0] if alone else where)


def table_of(source: SourceSpec) -> tuple[SourceSpec, pa.Table]:
    """(the source as it is best read, all its columns). Raises Unguessable."""
    try:
        table = read_source(source)
    except SourceUnreadable as unreadable:
        raise Unguessable(f"{source.shown}: {'; '.join(unreadable.findings)}") from unreadable
    if not table.num_rows:
        raise Unguessable(f"{source.shown} has columns and no rows.")
    if source.kind == "csv":
        _refuse_odd_header(table, source)
    return source, table


def _kind(names: list[str], where: str) -> Any:
    kinds = {kind for name in names if (kind := _by_suffix(name))}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds:
        raise SpecError(f"{where} holds both CSV and Parquet; give a glob such as {where}/*.csv.")
    raise SpecError(f"{where} holds nothing whose name ends with .csv, .tsv, .txt or .parquet, packed or not.")


def _inside(where: str) -> list[str]:
    """The files of a local folder; anything else by its own name."""
    if "://" in where or not Path(where).is_dir():
        return [where]
    found = (path for path in sorted(Path(where).rglob("*")) if path.is_file() and path.name[0] not in "._")
    return [str(path) for path in found if _by_suffix(path.name)]


def _by_suffix(name: str) -> str | None:
    plain = name.lower()
    for suffix in PACKED:
        plain = plain.removesuffix(suffix)
    if plain.endswith((".parquet", ".pq")):
        return "parquet"
    return "csv" if plain.endswith(TEXT) else None


def _refuse_odd_header(table: pa.Table, source: SourceSpec) -> None:
    """A header of numbers is a row of data; one column with another mark in its name is cut by that mark."""
    names = table.column_names
    numbers = [name for name in names if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", name)]
    if len(numbers) > len(names) / 2:
        raise Unguessable(
            f"the first line of {source.shown} is {', '.join(names[:MOST_SHOWN])} …: numbers, no names of columns. Add "
            "a header such as time,y and a column with the time of each row."
        )
    marks = {";": "semicolons", "\t": "tabs", "|": "bars"}
    cut = next((told for mark, told in marks.items() if len(names) == 1 and mark in names[0]), None)
    if cut:
        raise Unguessable(f"{source.shown} is cut by {cut}, and commas are read. Write it with commas, or as Parquet.")
