"""Limits on what a source may hand over, checked before memory is allocated."""

from data_contracts.errors import SourceUnreadable
from tasks.sources.spec import SourceSpec

MOST_VALUES = 500_000_000  # rows x columns that are asked for
MOST_BYTES = 8 << 30  # unpacked: a file of 88 KB can hold 560 MB, and its footer does not say so


def unreadable(source: SourceSpec, reason: str) -> SourceUnreadable:
    return SourceUnreadable(f"the source {source.shown}", [reason])


def bounded(count: int, most: int, what: str, source: SourceSpec) -> None:
    """Raises SourceUnreadable where `count` is more than is read."""
    if count > most:
        reason = f"it holds {count:,} {what} or more, and at most {most:,} are read"
        raise unreadable(source, f"{reason}; name fewer columns, or cut the history")
