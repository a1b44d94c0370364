"""Limits on a source, checked before memory is allocated: its size, and that its files hold one table."""

from collections.abc import Iterable, Mapping

from data_contracts.errors import SourceUnreadable
from tasks.sources.schemas import find_different_tables
from tasks.sources.spec import SourceSpec

MAX_VALUES = 500_000_000  # rows x columns that are read
MAX_BYTES = 8 << 30  # uncompressed: a file of 88 KB can hold 560 MB, and its footer does not say so


def source_error(source: SourceSpec, reason: str) -> SourceUnreadable:
    """Return the error of a source that cannot be read."""
    return SourceUnreadable(f"the source {source.label}", [reason])


def check_limit(count: int, limit: int, unit: str, source: SourceSpec) -> None:
    """Raise SourceUnreadable if `count` is above `limit`; `unit` is values or bytes."""
    if count > limit:
        reason = f"it holds {count:,} {unit} or more, and at most {limit:,} are read"
        raise source_error(source, f"{reason}; name fewer columns, or shorten the history")


def check_same_table(headers: Mapping[str, Iterable[str]], source: SourceSpec) -> None:
    """Raise SourceUnreadable if two files, given by name with their columns, hold different tables."""
    if different := find_different_tables(headers):
        raise source_error(source, different.reason)
