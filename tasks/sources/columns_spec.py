"""ColumnsSpec: which columns of a source hold the series, the time and the target."""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema, field_validator

from data_contracts.spec import SettingsSpec
from tasks.sources.times.time_columns import joint_name, parts_of

RESERVED_COLUMNS = ("row", "unique_id", "ds", "y", "known_at", "source_row", "target")


def _join_time_columns(ds: Any) -> Any:
    """Return the joint name of a list of columns; other values are returned as they are."""
    if not isinstance(ds, list | tuple) or not all(isinstance(name, str) for name in ds):
        return ds
    return ds[0] if len(ds) == 1 else joint_name(ds)


TimeColumnName = Annotated[
    str,
    BeforeValidator(_join_time_columns),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}]}),
]


class ColumnsSpec(SettingsSpec):
    """Columns of the source that hold the series, the time and the target. Without `unique_id` there is one series.

    `unique_id` may be a list of columns that together name a series: store and item give `7/tea`, and every published
    table keeps them next to `unique_id`. `ds` may be a list of columns: a date and a time of day, or year, month, day
    and hour, in this order. An empty name is the column without a name, such as the index of a frame that pandas wrote.

    `y` may be a list of names or globs: each target then becomes its own series. `known_at` is the time at which a row
    became known: of several versions of one (series, time) the newest version known at the as-of is used.
    """

    unique_id: str | tuple[str, ...] | None = None
    ds: TimeColumnName
    y: str | tuple[str, ...]
    known_at: str | None = None

    @field_validator("unique_id")
    @classmethod
    def _check_ids(cls, ids: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if not isinstance(ids, tuple):
            return ids
        if not ids or not all(ids) or len(set(ids)) < len(ids):
            raise ValueError("name at least one column of unique_id, and each of them once")
        return ids[0] if len(ids) == 1 else ids

    @field_validator("y")
    @classmethod
    def _check_targets(cls, y: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not y or (isinstance(y, tuple) and (not all(y) or len(set(y)) < len(y))):
            raise ValueError("name at least one target, and each of them once")
        return y

    @property
    def time_parts(self) -> tuple[str, ...]:
        """The columns that hold the time together; empty if a single column holds it."""
        return parts_of(self.ds)

    @property
    def key_parts(self) -> tuple[str, ...]:
        """The columns that hold a time or a name together with others."""
        return (*self.composite_ids, *self.time_parts)

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that name a series: none, one or several."""
        if isinstance(self.unique_id, tuple):
            return self.unique_id
        return () if self.unique_id is None else (self.unique_id,)

    @property
    def composite_ids(self) -> tuple[str, ...]:
        """The columns that together name a series, if they are several."""
        return self.id_columns if len(self.id_columns) > 1 else ()

    @property
    def series_column(self) -> str:
        """The column that holds the whole name of a series in a table with the column names of the source."""
        return self.unique_id if isinstance(self.unique_id, str) else "unique_id"

    @property
    def series(self) -> str:
        """The columns that name a series as text for a message."""
        return ", ".join(self.id_columns) or "unique_id"

    @property
    def target(self) -> str:
        """The targets as text for a message."""
        return self.y if isinstance(self.y, str) else ", ".join(self.y)
