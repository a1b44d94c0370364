"""Watermark of an incremental read: the condition that selects rows which became known since the last night."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.sources.times.timestamps import same_format_pattern

if TYPE_CHECKING:
    from sqlalchemy import ColumnClause, ColumnElement


class Watermark(NamedTuple):
    """Selects rows that became known at `oldest_known_at` or later, or at an unknown time, and rows after `newest_ds`.

    Both values are as the source writes them, so that the database compares them as this process does. Text compares
    like times only within one format; rows in another format, which only SQLite can hold, are selected too.
    """

    known_at: str
    oldest_known_at: Any
    ds: str
    newest_ds: Any

    @property
    def globs(self) -> dict[str, str]:
        """Column name → SQLite pattern of the text that compares with the column's value."""
        values = {self.known_at: self.oldest_known_at, self.ds: self.newest_ds}
        return {name: same_format_pattern(value).glob for name, value in values.items() if isinstance(value, str)}

    @property
    def condition(self) -> "ColumnElement[bool]":
        """The WHERE condition for a table."""
        from sqlalchemy import column, or_  # takes half a second, and files do not need it

        known_at: ColumnClause[Any] = column(self.known_at)
        other_formats = [column(name).op("NOT GLOB")(glob) for name, glob in self.globs.items()]
        newer = (known_at >= self.oldest_known_at, known_at.is_(None), column(self.ds) > self.newest_ds)
        return or_(*newer, *other_formats)

    def wrap_query(self, query: str, quote: Callable[[str], str]) -> tuple[str, dict[str, Any]]:
        """Return (query for the selected rows of `query`, its further parameters)."""
        quoted = {name: quote(name).replace(":", r"\:") for name in (self.known_at, self.ds)}
        known_at, ds = quoted[self.known_at], quoted[self.ds]
        conditions = [f"{known_at} >= :nightcast_since", f"{known_at} IS NULL", f"{ds} > :nightcast_newest"]
        parameters = {"nightcast_since": self.oldest_known_at, "nightcast_newest": self.newest_ds}
        for name, glob in self.globs.items():
            parameter = f"nightcast_alike_{len(parameters)}"
            conditions.append(f"{quoted[name]} NOT GLOB :{parameter}")
            parameters[parameter] = glob
        where = " OR ".join(conditions)
        return f"SELECT * FROM (\n{query}\n) AS nightcast_source WHERE {where}", parameters  # noqa: S608 - values are bound
