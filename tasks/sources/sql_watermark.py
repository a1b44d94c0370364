"""What a database is asked for when most of a table is known: the rows that are new since then, in its own words."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnClause, ColumnElement, column, or_

from tasks.sources.timestamps import same_format_pattern


class Watermark(NamedTuple):
    """Only rows that became known at `moment` or later, or nobody knows when, and all whose time is after `newest`.

    Both are values of the source's own, so that they compare there as they do here. Text compares like times only
    where it is written alike: what is written in another way, which only SQLite can hold, is given too.
    """

    known_at: str
    moment: Any
    ds: str
    newest: Any

    @property
    def globs(self) -> dict[str, str]:
        """Column → SQLite's pattern of the text that its value compares with."""
        values = {self.known_at: self.moment, self.ds: self.newest}
        return {name: same_format_pattern(value).glob for name, value in values.items() if isinstance(value, str)}

    @property
    def condition(self) -> ColumnElement[bool]:
        """As a WHERE of a table."""
        known_at: ColumnClause[Any] = column(self.known_at)
        odd = [column(name).op("NOT GLOB")(glob) for name, glob in self.globs.items()]
        return or_(known_at >= self.moment, known_at.is_(None), column(self.ds) > self.newest, *odd)

    def wrap_query(self, query: str, quote: Callable[[str], str]) -> tuple[str, dict[str, Any]]:
        """(the query that gives only those rows of `query`, what it is bound to besides)."""
        named = {name: quote(name).replace(":", r"\:") for name in (self.known_at, self.ds)}
        known_at, ds = named[self.known_at], named[self.ds]
        asked = [f"{known_at} >= :nightcast_since", f"{known_at} IS NULL", f"{ds} > :nightcast_newest"]
        bound = {"nightcast_since": self.moment, "nightcast_newest": self.newest}
        for name, glob in self.globs.items():
            word = f"nightcast_alike_{len(bound)}"
            asked.append(f"{named[name]} NOT GLOB :{word}")
            bound[word] = glob
        newer = f"SELECT * FROM (\n{query}\n) AS nightcast_source WHERE {' OR '.join(asked)}"  # noqa: S608 - values are bound
        return newer, bound
