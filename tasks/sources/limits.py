"""Limits on what a source may hand over, checked before memory is allocated."""

from data_contracts.errors import SourceUnreadable
from tasks.sources.spec import SourceSpec

MAX_VALUES = 500_000_000  # rows x columns that are asked for
MAX_BYTES = 8 << 30  # unpacked: a file of 88 KB can hold 560 MB, and its footer does not say so


def source_error(source: SourceSpec, reason: str) -> SourceUnreadable:
    return SourceUnreadable(f"the source {source.shown}", [reason])


def check_limit(count: int, most: int, what: str, source: SourceSpec) -> None:
    """Raises SourceUnreadable where `count` is more than is read."""
    if count > most:
        reason = f"it holds {count:,} {what} or more, and at most {most:,} are read"
        raise source_error(source, f"{reason}; name fewer columns, or cut the history")
