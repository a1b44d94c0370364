"""Which rows a reader wants: series, and a range of ds. PyArrow skips the row groups that have none of them."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class Selection(NamedTuple):
    """Series by name, empty for all; `start` and `before` bound ds: start <= ds < before, None for no bound."""

    series: tuple[str, ...] = ()
    start: datetime | None = None
    before: datetime | None = None

    @property
    def has_range(self) -> bool:
        """Whether ds is bounded."""
        return self.start is not None or self.before is not None

    def filter_of(self, columns: Collection[str]) -> pc.Expression | None:
        """Return the filter for a table with these columns; None if all its rows are wanted."""
        filters = []
        if self.series:
            filters.append(pc.field("unique_id").isin(pa.array(self.series, pa.string())))
        if "ds" in columns and self.start is not None:
            filters.append(pc.field("ds") >= pa.scalar(self.start, pa.timestamp("us", "UTC")))
        if "ds" in columns and self.before is not None:
            filters.append(pc.field("ds") < pa.scalar(self.before, pa.timestamp("us", "UTC")))
        total = None
        for part in filters:
            total = part if total is None else total & part
        return total


ALL_ROWS = Selection()
