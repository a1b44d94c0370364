"""Concatenate the tables of several files, matched by column name, with one type for each column."""

from collections.abc import Callable, Collection, Mapping

import pyarrow as pa

from tasks.sources.limits import source_error
from tasks.sources.schemas import InexactColumn, common_type, convert, plain_type
from tasks.sources.spec import SourceSpec


def concatenate(
    tables: Mapping[str, pa.Table],
    choose: Callable[[list[str]], list[str]],
    optional: Collection[str] | None,
    source: SourceSpec,
) -> pa.Table:
    """Concatenate the chosen columns.

    Args:
        tables: The table of each file.
        choose: Picks among the column names of all files.
        optional: Columns that a file may lack, whose values are then missing; None for all.
        source: The source, for errors.

    Returns:
        The chosen columns; no rows if one of them is in no file. Raises SourceUnreadable, with the file, for a column
        that another file has, has as another type, or has twice.
    """
    available = list(dict.fromkeys(name for table in tables.values() for name in table.column_names))
    chosen = list(dict.fromkeys(choose(available)))
    if set(chosen) - set(available):
        return pa.table([pa.nulls(0)] * len(available), names=available)
    if len(tables) == 1:
        table = next(iter(tables.values()))
        indices = [index for index, name in enumerate(table.column_names) if name in set(chosen)]
        return table.select(indices)
    columns = {name: _column(name, tables, optional is None or name in optional, source) for name in chosen}
    return pa.table(columns)


def _column(name: str, tables: Mapping[str, pa.Table], is_optional: bool, source: SourceSpec) -> pa.ChunkedArray:
    kind, first = pa.null(), ""
    for file, table in tables.items():
        count = table.column_names.count(name)
        if count > 1:
            raise source_error(source, f"{file}: column {name!r} occurs {count} times")
        if count == 0 and not is_optional:
            other = next(other for other, others in tables.items() if name in others.column_names)
            raise source_error(source, f"{file}: column {name!r} is missing, and {other} has it")
        if count:
            own = plain_type(table.schema.field(name).type)
            unified = common_type(kind, own)
            if unified is None:
                reason = f"column {name!r} is {own}, and {kind} in {first}"
                raise source_error(source, f"{file}: {reason}; write them as one type")
            kind, first = unified, first or file
    try:
        return _convert(name, tables, kind)
    except InexactColumn:  # integers that a float64 would change
        return _convert(name, tables, pa.string())


def _convert(name: str, tables: Mapping[str, pa.Table], kind: pa.DataType) -> pa.ChunkedArray:
    chunks: list[pa.Array] = []
    for table in tables.values():
        values = table[name].chunks if name in table.column_names else [pa.nulls(table.num_rows, kind)]
        chunks += [convert(chunk, kind, name) for chunk in values]
    return pa.chunked_array(chunks, kind)
