"""Opening hours as slots of a week: entries such as `sun`, `22-06` and `sat 14-24`, read and written.

A slot is a weekday and an hour on the wall clock, (7, 24) from Monday 00:00; a step of a day has the slot of hour 0.
"""

import re

import numpy as np

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
ENTRY = re.compile(
    r"(?:(?P<first>[a-z]{3,9})(?: ?- ?(?P<last>[a-z]{3,9}))?)?(?: ?(?P<hours>\d{1,2}(?::00)?-\d{1,2}(?::00)?))?"
)
DAY_HOURS = 24


def parse_closed(entries: tuple[str, ...]) -> np.ndarray:
    """Read closed times.

    Args:
        entries: Each a weekday (sun, mon-fri), hours (22-06), or both (sat 14-24). Hours after midnight belong to the
            next day.

    Returns:
        (7, 24) bool, true where closed.

    Raises:
        ValueError: An entry is not such a text.
    """
    closed = np.zeros((7, DAY_HOURS), dtype=bool)
    for entry in entries:
        match = ENTRY.fullmatch(" ".join(entry.lower().split()))
        days = _days(match["first"], match["last"]) if match and entry.strip() else None
        hours = _hours(match["hours"]) if match else None
        if days is None or hours is None:
            raise ValueError(f"{entry!r} is not a closed time; write a weekday, hours or both: sun, 22-06, sat 14-24")
        slots = [(day * DAY_HOURS + hour) % closed.size for day in days for hour in hours]
        closed.reshape(-1)[slots] = True
    return closed


def _days(first: str | None, last: str | None) -> list[int] | None:
    """Return the weekdays from `first` to `last`; all without a name, None for a name that is not a weekday."""
    if first is None:
        return list(range(7))
    names = (first, last or first)
    if not all(any(day.lower().startswith(name) for day in NAMES) for name in names):
        return None
    start, end = (WEEKDAYS.index(name[:3]) for name in names)
    return [day % 7 for day in range(start, end + (8 if end < start else 1))]


def _hours(written: str | None) -> list[int] | None:
    """Return the hours from the first to the last, past midnight if the last is not later; None if they are none."""
    if written is None:
        return list(range(DAY_HOURS))
    start, end = (int(part.split(":")[0]) for part in written.split("-"))
    if start > DAY_HOURS - 1 or end > DAY_HOURS or start == end:
        return None
    return list(range(start, end if end > start else end + DAY_HOURS))


def write_closed(closed: np.ndarray) -> tuple[str, ...]:
    """Return the fewest entries for closed slots, (7, 24): whole days first, then hours of every open day."""
    whole = closed.all(axis=1)
    entries = [WEEKDAYS[day] for day in np.flatnonzero(whole)]
    rest = closed[~whole]
    if not len(rest):
        return tuple(entries)
    daily = np.asarray(rest.all(axis=0))
    entries += _spans(daily)
    for day in np.flatnonzero(~whole):
        entries += [f"{WEEKDAYS[day]} {span}" for span in _spans(closed[day] & ~daily, wrap=False)]
    return tuple(entries)


def describe_entry(entry: str) -> str:
    """Return an entry of `write_closed` as part of a sentence: `sat 14-24` is `on Saturdays from 14:00 to 24:00`."""
    *day, hours = entry.split() if entry[-1].isdigit() else (entry, "")
    name = f"on {NAMES[WEEKDAYS.index(day[0])]}" if day else ""
    start, _, end = hours.partition("-")
    return " ".join(filter(None, (name, f"from {start}:00 to {end}:00" if hours else "")))


def _spans(hours: np.ndarray, wrap: bool = True) -> list[str]:
    """Return runs of true hours as text; with `wrap`, a run at the end of the day joins that at its begin."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hours.astype(int), [0]])))
    runs = [[int(start), int(end)] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    if wrap and len(runs) > 1 and runs[0][0] == 0 and runs[-1][1] == DAY_HOURS:
        runs[-1][1] = runs.pop(0)[1]
    return [f"{start:02d}-{end:02d}" for start, end in runs]
