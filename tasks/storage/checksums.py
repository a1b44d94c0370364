"""Checksums of JSON records: a flipped bit can leave a record that still parses, with another value in it."""

import hashlib
import json
from typing import Any

CHECKSUM = "checksum"


def to_text(record: Any) -> str:
    """Return a record as JSON with sorted keys. Raises ValueError for a number that is not finite."""
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


def with_checksum(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record, as it is read back from JSON, with its checksum."""
    stored = json.loads(to_text(record))
    stored.pop(CHECKSUM, None)
    return {**stored, CHECKSUM: _digest(stored)}


def without_checksum(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return a record that was read, without its checksum; None if it was altered. Older records have none."""
    content = {name: value for name, value in record.items() if name != CHECKSUM}
    return content if record.get(CHECKSUM) in (None, _digest(content)) else None


def _digest(content: dict[str, Any]) -> str:
    try:
        return hashlib.sha256(to_text(content).encode()).hexdigest()
    except (ValueError, RecursionError):  # NaN, or nested too deep: not written by a store
        return ""
