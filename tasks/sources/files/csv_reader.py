"""Read CSV files as text, so that `007` stays `007`; each file has its header, and an error names its line."""

from collections.abc import Callable, Collection

import pyarrow as pa
import pyarrow.csv as pcsv

from tasks.sources.errors import translate_errors
from tasks.sources.files.csv_dialect import (
    DELIMITERS,
    SAMPLE_BYTES,
    Dialect,
    as_utf8,
    detect_dialect,
    find_ragged_line,
    find_unclosed_quote,
)
from tasks.sources.files.filesystem import decompress, hive_keys, list_source_files, open_file
from tasks.sources.files.text_limits import MAX_LINE_BYTES, check_header, find_long_line
from tasks.sources.limits import check_bytes, check_rows, check_same_table, max_bytes, source_error
from tasks.sources.spec import SourceSpec

BLOCK_BYTES = 1 << 20  # that pyarrow parses at a time; a line must be shorter
ColumnChoice = Callable[[list[str]], list[str]]


def read_csv(source: SourceSpec, choose: ColumnChoice, optional: Collection[str] | None = ()) -> pa.Table:
    """Read one file, or several as one table whose columns are matched by name.

    Args:
        source: The source, with its secrets resolved.
        choose: Picks among the column names of the header.
        optional: Columns that a file may lack, whose values are then missing; None for all.

    Returns:
        The chosen columns as text; no rows if a chosen column is in no file. Raises SourceUnreadable, with file and
        line, for a file that cannot be read or lacks a column that other files have.
    """
    filesystem, path = open_file(source)
    names, parts, size, rows = list_source_files(filesystem, path, source.kind), [], 0, 0
    for name in names:
        file_name = name.rsplit("/", 1)[-1] if len(names) > 1 else ""  # a message about a single file needs no name
        with filesystem.open(name, "rb") as file:
            data = decompress(file, max_bytes(source) + 1, source)
        size += len(data)
        check_bytes(size, source)
        keys = hive_keys(name, path)
        needed = _without_keys(keys, choose, optional if len(names) > 1 else ())
        part = _read_file(data, source, needed, f"{file_name}: " if file_name else "")
        part = _append_keys(keys, part, choose)
        rows += part.num_rows
        check_rows(rows, part.num_columns, source)
        parts.append((file_name, part))
    if optional is None:
        check_same_table({file_name: part.column_names for file_name, part in parts}, source)
    return _concatenate(parts, choose, optional, source)


def sample_dialect(source: SourceSpec) -> Dialect:
    """Return the dialect of the first file, as a reader of all its columns detects it."""
    with translate_errors(source) as ready:
        filesystem, path = open_file(ready)
        with filesystem.open(list_source_files(filesystem, path, ready.kind)[0], "rb") as file:
            data = decompress(file, SAMPLE_BYTES, ready)
        text = data.decode(ready.encoding, "ignore").removeprefix("\ufeff")
        return detect_dialect(text.encode(), ready, lambda header: header)


def _read_file(data: bytes, source: SourceSpec, choose: ColumnChoice, where: str) -> pa.Table:
    data = as_utf8(data, source, where)
    if not data.strip():
        raise source_error(source, f"{where}the file is empty and has no header")
    check_header(data, (source.delimiter,) if source.delimiter else DELIMITERS, source, where)
    dialect = detect_dialect(data, source, choose)
    try:
        try:
            table = _parse(data, dialect, choose, BLOCK_BYTES)
        except pa.ArrowInvalid as broken:
            if not _is_long_line(broken):
                raise
            table = _parse(data, dialect, choose, MAX_LINE_BYTES)
    except pa.ArrowInvalid as broken:
        first = str(broken).splitlines()[0]
        long = (
            (find_long_line(data) or find_unclosed_quote(data, dialect.delimiter, 0)) if _is_long_line(broken) else ""
        )
        reason = long or find_ragged_line(data, dialect) or first
        raise source_error(source, f"{where}it can't be read as csv: {reason}") from broken
    rows = table.num_rows + dialect.skip
    if table.num_columns and (unclosed := find_unclosed_quote(data, dialect.delimiter, rows)):
        raise source_error(source, f"{where}it can't be read as csv: {unclosed}")
    return table


def _is_long_line(error: pa.ArrowInvalid) -> bool:
    return "straddling" in str(error) or "Empty CSV file or block" in str(error)


def _parse(data: bytes, dialect: Dialect, choose: ColumnChoice, block_bytes: int) -> pa.Table:
    """Return the chosen columns as text; every column if a name occurs twice, none if a chosen one is missing."""
    buffer = pa.BufferReader(data)
    parsing = pcsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
    header = list(dialect.names)
    if not header:
        reading = pcsv.ReadOptions(skip_rows=dialect.skip, block_size=block_bytes)
        header = pcsv.open_csv(buffer, read_options=reading, parse_options=parsing).schema.names
        buffer = pa.BufferReader(data)
    skip, names = dialect.skip + bool(dialect.names), dialect.names or None
    reading = pcsv.ReadOptions(skip_rows=skip, column_names=names, block_size=block_bytes)
    visible = header[:-1] if dialect.names and not header[-1] else header  # each row ends with a delimiter
    chosen = choose(visible)
    if set(chosen) - set(visible):
        return pa.table([pa.array([], pa.string())] * len(visible), names=visible)
    columns = list(dict.fromkeys(chosen))
    every = len(set(visible)) < len(visible) or columns == header  # choosing among n columns takes n² steps
    text = pcsv.ConvertOptions(
        column_types={name: pa.string() for name in header},
        include_columns=None if every else columns,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    return pcsv.read_csv(buffer, read_options=reading, parse_options=parsing, convert_options=text)


def _without_keys(keys: dict[str, str | None], choose: ColumnChoice, optional: Collection[str] | None) -> ColumnChoice:
    """Choose among the columns that the file itself must have: neither keys of its folders nor optional columns."""

    def choose_of_file(header: list[str]) -> list[str]:
        chosen = choose([*header, *_new_keys(keys, header)])
        return [name for name in chosen if name in header or not (name in keys or optional is None or name in optional)]

    return choose_of_file


def _append_keys(keys: dict[str, str | None], part: pa.Table, choose: ColumnChoice) -> pa.Table:
    new = _new_keys(keys, part.column_names)
    for name in (name for name in choose([*part.column_names, *new]) if name in new):
        part = part.append_column(name, pa.array([keys[name]] * part.num_rows, pa.string()))
    return part


def _new_keys(keys: dict[str, str | None], header: list[str]) -> list[str]:
    return [name for name in keys if name not in header]


def _concatenate(
    parts: list[tuple[str, pa.Table]], choose: ColumnChoice, optional: Collection[str] | None, source: SourceSpec
) -> pa.Table:
    if len(parts) == 1:
        return parts[0][1]
    available = list(dict.fromkeys(name for _, part in parts for name in part.column_names))
    chosen, tables = choose(available), []
    for file_name, part in parts:
        absent = [name for name in chosen if name not in part.column_names]
        if missing := [name for name in absent if name not in available or not (optional is None or name in optional)]:
            others = sum(missing[0] in other.column_names for _, other in parts)
            if others:
                raise source_error(
                    source, f"{file_name}: column {missing[0]!r} is missing, and {others} other files have it"
                )
            return part.slice(0, 0)
        if repeated := next((name for name in chosen if part.column_names.count(name) > 1), None):
            count = part.column_names.count(repeated)
            raise source_error(source, f"{file_name}: column {repeated!r} occurs {count} times")
        for name in absent:
            part = part.append_column(name, pa.nulls(part.num_rows, pa.string()))  # noqa: PLW2901
        tables.append(part.select(chosen))
    return pa.concat_tables(tables)
