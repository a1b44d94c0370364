"""Read a sheet of a workbook: its one table, below any title, with the types of its cells."""

import re
from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from tasks.sources import arrow_columns
from tasks.sources.files.concatenation import concatenate
from tasks.sources.files.filesystem import list_source_files, open_file, short_name
from tasks.sources.files.workbook_sizes import check_workbook
from tasks.sources.limits import check_rows, check_same_table, source_error
from tasks.sources.spec import SourceSpec

CELL_RANGE = re.compile(r"\$?([A-Za-z]+)\$?(\d+):\$?([A-Za-z]+)\$?(\d+)")
MIN_FILLED_SHARE = 0.5  # of the widest row: a row that is filled less, and comes first, is a title
MAX_TITLE_ROWS = 50


def read_excel(
    source: SourceSpec, choose: Callable[[list[str]], list[str]], optional: Collection[str] | None = ()
) -> pa.Table:
    """Read one workbook, or several as one table whose columns are matched by name.

    Args:
        source: The source, with its secrets resolved; of kind excel.
        choose: Picks among the column names.
        optional: Columns that a file may lack, whose values are then missing; None for all.

    Returns:
        The chosen columns; no rows if one of them is in no file. Raises SourceUnreadable for a sheet that does not
        exist or holds no table.
    """
    filesystem, path = open_file(source)
    tables = {}
    for name in list_source_files(filesystem, path, source.kind):
        with filesystem.open(name, "rb") as file:
            check_workbook(file, source)
            tables[short_name(name)] = _to_table(_read_cells(file, source), source)
    if optional is None:
        check_same_table({name: table.column_names for name, table in tables.items()}, source)
    return concatenate(tables, choose, optional, source)


def _read_cells(file: Any, source: SourceSpec) -> list[list[Any]]:
    """Return the rows of the sheet; a cell without a value is None."""
    import python_calamine

    try:
        workbook = python_calamine.load_workbook(file)
    except python_calamine.CalamineError as broken:
        raise source_error(source, f"it can't be read as excel: {broken}") from broken
    names = workbook.sheet_names
    if source.sheet is not None and source.sheet not in names:
        raise source_error(source, f"it has no sheet {source.sheet!r}; its sheets are {', '.join(map(repr, names))}")
    sheets = {name: _rows(workbook, name) for name in ([source.sheet] if source.sheet is not None else names)}
    filled = [name for name, rows in sheets.items() if rows]
    if len(filled) != 1 and source.sheet is None:
        reason = f"{len(filled)} of its sheets have values: {', '.join(map(repr, filled))}; name one in source.sheet"
        raise source_error(source, reason if filled else "its sheets are empty")
    return sheets[filled[0]] if filled else []


def _rows(workbook: Any, name: str) -> list[list[Any]]:
    rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    rows = [[None if value == "" else value for value in row] for row in rows]
    return rows if any(value is not None for row in rows for value in row) else []


def _to_table(rows: list[list[Any]], source: SourceSpec) -> pa.Table:
    if source.range:
        match = CELL_RANGE.fullmatch(source.range)
        if match is None:
            raise source_error(source, f"the range {source.range!r} is not written like B3:F400; correct source.range")
        left, right = (_column_number(match[index]) for index in (1, 3))
        rows = [row[left : right + 1] for row in rows[int(match[2]) - 1 : int(match[4])]]
    rows = rows[source.skip or 0 :] if source.skip is not None else rows[_find_header(rows) :]
    if not rows:
        raise source_error(source, "its sheet has no table; name another in source.sheet, or its cells in source.range")
    width = max((index + 1 for row in rows for index, value in enumerate(row) if value is not None), default=0)
    first = next((index for index in range(width) if any(row[index : index + 1] != [None] for row in rows)), 0)
    padded = [[*row, *[None] * (width - len(row))][first:width] for row in rows]
    header, *body = padded
    body = [row for row in body if any(value is not None for value in row)]
    check_rows(len(body), len(header), source)
    columns = [_column([_plain(row[index]) for row in body]) for index in range(len(header))]
    return pa.table(columns, names=["" if name is None else str(_plain(name)) for name in header])


def _column(values: list[Any]) -> pa.Array:
    """Return a column; a date in a column with times of day is its midnight, because a workbook stores both alike."""
    if any(isinstance(value, datetime) for value in values):
        days = [isinstance(value, date) and not isinstance(value, datetime) for value in values]
        pairs = zip(values, days, strict=True)
        values = [datetime.combine(value, time()) if is_day else value for value, is_day in pairs]
    return arrow_columns.column(values)


def _find_header(rows: list[list[Any]]) -> int:
    """Return the number of rows above the header: empty rows, and titles, which fill few of the columns."""
    counts = [sum(value is not None for value in row) for row in rows]
    widest = max(counts[: MAX_TITLE_ROWS * 2], default=0)
    return next((index for index, count in enumerate(counts[:MAX_TITLE_ROWS]) if count > MIN_FILLED_SHARE * widest), 0)


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _plain(value: Any) -> Any:
    """Return a cell as the other sources give it: whole floats as integers, times of day and durations as text."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 1 << 53:
        return int(value)
    return value.isoformat() if isinstance(value, time) else str(value) if isinstance(value, timedelta) else value
