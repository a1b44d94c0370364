"""One Arrow type for times of several files: aware times of any zones and units, or naive times of any units."""

import pyarrow as pa

UNITS = ("s", "ms", "us", "ns")  # coarse to fine


def common_time_type(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the times of both types.

    Args:
        first: The type of a column in one file.
        second: Its type in another file.

    Returns:
        Timestamps in the finer unit: in the zone that both have, in UTC if their zones differ, naive if both are naive
        or dates. None if one is aware and the other is not, or if one is not a time.
    """
    if first == second or not all(pa.types.is_timestamp(kind) or pa.types.is_date(kind) for kind in (first, second)):
        return None
    zones = {getattr(kind, "tz", None) for kind in (first, second)}
    units = [getattr(kind, "unit", "s") for kind in (first, second)]
    if None in zones and len(zones) > 1:
        return None
    finer = max(units, key=lambda unit: UNITS.index(unit) if unit in UNITS else 0)
    return pa.timestamp(finer if finer in UNITS else "ms", zones.pop() if len(zones) == 1 else "UTC")


def advise_time_types(first: pa.DataType, second: pa.DataType) -> str:
    """Return what to do about two types that cannot be read as one."""
    if all(pa.types.is_timestamp(kind) or pa.types.is_date(kind) for kind in (first, second)):
        return "times with a zone and times without one are not comparable; write the zone in every file, or in none"
    return "write them as one type"
