"""Limits on a source, checked before memory is allocated: its size and its time, and that its files hold one table."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from data_contracts.errors import SourceUnreadable
from tasks.engine.deadline import DeadlineExceeded, run_within
from tasks.engine.machine_memory import format_bytes, memory_limit, resident_memory
from tasks.sources.schemas import find_different_tables
from tasks.sources.spec import SourceSpec

R = TypeVar("R")

MAX_BYTES = memory_limit() // 4  # uncompressed: a file of 88 KB can hold 560 MB, and its footer does not say so
MAX_VALUES = memory_limit() // 48  # rows x columns: a value takes 8 bytes in each of several tables of a night
MAX_VALUES_IN_PARTS = memory_limit() // 12  # of a table that is read in parts: a value takes 8 bytes in the panel
MAX_COLUMNS = 50_000
UNPACKED_KINDS = ("csv", "json", "excel")  # whole files are unpacked, whichever columns are used
MAX_GROWTH = memory_limit() // 4 * 3  # of the memory of this process during one read, whatever a library does
COMPUTED_FROM = f"of the {format_bytes(memory_limit())} of memory here"


class UnsuitablePath(Exception):
    """A local path that cannot be read as a table; the message is the end of a sentence about the source."""


def source_error(source: SourceSpec, reason: str) -> SourceUnreadable:
    """Return the error of a source that cannot be read."""
    return SourceUnreadable(f"the source {source.label}", [reason])


def max_bytes(source: SourceSpec) -> int:
    """Return how many uncompressed bytes of the source are read at most."""
    return source.max_bytes or MAX_BYTES


def check_bytes(size: float, source: SourceSpec) -> None:
    """Raise SourceUnreadable if `size` uncompressed bytes are more than are read."""
    if size > max_bytes(source):
        setting = f"the default of source.max_bytes, a quarter {COMPUTED_FROM}"
        reason = f"it holds {size:,.0f} bytes or more, and at most {max_bytes(source):,} are read"
        columns = "" if source.kind in UNPACKED_KINDS else "name fewer columns, "
        advice = f"raise source.max_bytes if that fits the memory, {columns}or shorten the history"
        raise source_error(source, f"{reason} ({'source.max_bytes' if source.max_bytes else setting}); {advice}")


def check_rows(rows: int, columns: int, source: SourceSpec, *, in_memory: bool = True) -> None:
    """Raise SourceUnreadable if `rows` of `columns` are more than are read, at once or, else, in parts."""
    most = MAX_VALUES if in_memory else MAX_VALUES_IN_PARTS
    advice = "name fewer columns, or shorten the history"
    if source.max_rows is not None:
        if rows > source.max_rows:
            reason = f"it holds {rows:,} rows or more, and at most {source.max_rows:,} are read (source.max_rows)"
            raise source_error(source, f"{reason}; raise source.max_rows, or shorten the history")
    elif rows * columns > most:
        reason = f"it holds {rows * columns:,} values or more, and at most {most:,} are read, the default"
        raise source_error(source, f"{reason} {COMPUTED_FROM}; {advice}, or set source.max_rows if that fits")


def check_columns(count: int, source: SourceSpec, where: str = "") -> None:
    """Raise SourceUnreadable if a table has more columns than are read."""
    if count > MAX_COLUMNS:
        reason = f"{where}it has {count:,} columns, and at most {MAX_COLUMNS:,} are read"
        raise source_error(source, f"{reason}; write the table in long form, with one row for each series and time")


def within_timeout(work: Callable[[], R], source: SourceSpec) -> R:
    """Return what `work` returns. Raises SourceUnreadable if it takes longer than `source.timeout`, or all memory."""
    before = resident_memory()

    def check_memory() -> None:
        if (growth := resident_memory() - before) > max(MAX_GROWTH, 2 * max_bytes(source)):
            reason = f"reading it takes {format_bytes(growth)} of memory so far, too much {COMPUTED_FROM}"
            raise source_error(source, f"{reason}; name fewer columns, shorten the history, or use a larger machine")

    try:
        return run_within(work, source.timeout_s, check_memory)
    except DeadlineExceeded:
        reason = f"it was not read within {source.timeout} (source.timeout), and the read was given up"
        raise source_error(
            source, f"{reason}; check that its server or disk answers, or set a longer source.timeout"
        ) from None


def check_same_table(headers: Mapping[str, Iterable[str]], source: SourceSpec) -> None:
    """Raise SourceUnreadable if two files, given by name with their columns, hold different tables."""
    if different := find_different_tables(headers):
        raise source_error(source, different.reason)
