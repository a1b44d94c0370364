"""Limits on the size of a source, checked before memory is allocated."""

from data_contracts.errors import SourceUnreadable
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
