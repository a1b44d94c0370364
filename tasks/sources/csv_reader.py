"""CSV as text, so that `007` stays `007`: one file or many, each with its header, every slip named with its line."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.csv as pcsv

from tasks.sources import limits
from tasks.sources.csv_dialect import as_utf8, detect_delimiter, find_ragged_line, find_unclosed_quote
from tasks.sources.filesystem import decompress, hive_keys, list_source_files, open_file
from tasks.sources.limits import check_limit, source_error
from tasks.sources.spec import SourceSpec

Choice = Callable[[list[str]], list[str]]


def read_csv(source: SourceSpec, choose: Choice) -> pa.Table:
    """The columns of `choose`, all text; no rows where one of them is missing from a single file.

    Several files are one table, column by column by their names. Raises SourceUnreadable with file and line.
    """
    filesystem, path = open_file(source)
    names, parts, size, values = list_source_files(filesystem, path), [], 0, 0
    for name in names:
        file_of_many = name.rsplit("/", 1)[-1] if len(names) > 1 else ""
        with filesystem.open(name, "rb") as file:
            data = decompress(file, limits.MAX_BYTES + 1, source)
        size += len(data)
        check_limit(size, limits.MAX_BYTES, "bytes", source)
        keys = hive_keys(name, path)
        part = _one_file(data, source, _besides(keys, choose), f"{file_of_many}: " if file_of_many else "")
        part = _with(keys, part, choose)
        values += part.num_rows * part.num_columns
        check_limit(values, limits.MAX_VALUES, "values", source)
        parts.append((file_of_many, part))
    return _together(parts, choose, source)


def _one_file(data: bytes, source: SourceSpec, choose: Choice, where: str) -> pa.Table:
    data = as_utf8(data, source, where)
    if not data.strip():
        raise source_error(source, f"{where}the file is empty: not even a header")
    delimiter = source.delimiter or detect_delimiter(data, choose)
    parsing = pcsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        header = pcsv.open_csv(pa.BufferReader(data), parse_options=parsing).schema.names
        wanted = choose(header)
        if set(wanted) - set(header):
            return pa.table([pa.array([], pa.string())] * len(header), names=header)
        twice = len(set(header)) < len(header)
        text = pcsv.ConvertOptions(
            column_types={name: pa.string() for name in header},
            include_columns=None if twice else list(dict.fromkeys(wanted)),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        read = pcsv.read_csv(pa.BufferReader(data), parse_options=parsing, convert_options=text)
    except pa.ArrowInvalid as broken:
        first = str(broken).splitlines()[0]
        raise source_error(
            source, f"{where}it can't be read as csv: {find_ragged_line(data, delimiter) or first}"
        ) from broken
    if lost := find_unclosed_quote(data, delimiter, read.num_rows):
        raise source_error(source, f"{where}it can't be read as csv: {lost}")
    return read


def _besides(keys: dict[str, str | None], choose: Choice) -> Choice:
    """The columns that a file itself must have: a key of its folders need not stand in it too."""
    return lambda header: [
        name for name in choose([*header, *_new(keys, header)]) if name in header or name not in keys
    ]


def _with(keys: dict[str, str | None], part: pa.Table, choose: Choice) -> pa.Table:
    new = _new(keys, part.column_names)
    for name in (name for name in choose([*part.column_names, *new]) if name in new):
        part = part.append_column(name, pa.array([keys[name]] * part.num_rows, pa.string()))
    return part


def _new(keys: dict[str, str | None], header: list[str]) -> list[str]:
    return [name for name in keys if name not in header]


def _together(parts: list[tuple[str, pa.Table]], choose: Choice, source: SourceSpec) -> pa.Table:
    if len(parts) == 1:
        return parts[0][1]
    wanted = choose(list(dict.fromkeys(name for _, part in parts for name in part.column_names)))
    for file, part in parts:
        if lacking := [name for name in wanted if name not in part.column_names]:
            others = sum(lacking[0] in one.column_names for _, one in parts)
            if others:
                raise source_error(
                    source, f"{file}: column {lacking[0]!r} is missing, and {others} other files have it"
                )
            return part.slice(0, 0)
        if twice := next((name for name in wanted if part.column_names.count(name) > 1), None):
            raise source_error(source, f"{file}: column {twice!r} stands {part.column_names.count(twice)} times")
    return pa.concat_tables([part.select(wanted) for _, part in parts])
