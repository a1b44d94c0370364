"""Compare this night's clean table with last night's and list late, rewritten and removed values.

last night   1  2  ∅  4  5 │          tonight   1  9  3  ∅  5  6        revisions   2 → 9 rewritten
                    cutoff ┘                                                        ∅ → 3 late     4 → ∅ gone
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, StoreDamaged
from models.data.panel_table import PanelTable
from tasks.engine.step import step
from tasks.modeling.clean_table import iterate_clean_parts, load_clean_table
from tasks.results.steps import RevisionsResult
from tasks.storage.store import Store

KEY = ["unique_id", "ds"]


def find_revisions(before: Iterable[PanelTable], after: PanelTable, cutoff: pd.Timestamp) -> pd.DataFrame:
    """List the values up to `cutoff` that differ between two clean tables.

    A series that is in only one of the tables is new or removed as a whole. The data health of the page lists it.

    Args:
        before: The earlier clean table, in parts of whole series in order.
        after: The later clean table.
        cutoff: The last time of the earlier table that was known as history.

    Returns:
        Columns unique_id, ds, kind (late, rewritten or gone), before and after, sorted by series and time.
    """
    parts = []
    for part in before:
        old, new = (table.between(0, table.steps_until(cutoff)) for table in (part, after.select(part.ids)))
        shared = new.ids.intersection(old.ids)
        changed = _changed_series(old.select(shared), new.select(shared))
        if len(changed):
            parts.append(_compare(old.select(changed).frame(), new.select(changed).frame()))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*KEY, "kind", "before", "after"])


def _changed_series(old: PanelTable, new: PanelTable) -> pd.Index:
    """Return the series whose rows begin or end at another time, or have another y; both tables have the same."""
    is_changed = (old.times[old.first] != new.times[new.first]) | (old.lengths != new.lengths)
    same = np.flatnonzero(~is_changed)
    old_rows, new_rows = old.take(same), new.take(same)
    before, after = old_rows.numbers["y"], new_rows.numbers["y"]
    differs = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    rows = np.flatnonzero(differs)
    is_changed[same[np.unique(np.searchsorted(old_rows.starts, rows, side="right") - 1)]] = True
    return old.ids[is_changed]


def _compare(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    joined = before[[*KEY, "y"]].merge(after[[*KEY, "y"]], "outer", KEY, suffixes=("_before", "_after"))
    rows = joined.rename(columns={"y_before": "before", "y_after": "after"})
    had, has = rows["before"].notna(), rows["after"].notna()
    rows = rows[(had | has) & ~(rows["before"] == rows["after"])]
    kinds = pd.Series("rewritten", index=rows.index).mask(~had, "late").mask(~has, "gone")
    return rows.assign(kind=kinds.astype("str")).sort_values(KEY, ignore_index=True)[[*KEY, "kind", "before", "after"]]


@step
def list_revisions(clean: Artifact, before: Artifact | None, cutoff: datetime | None, store: Store) -> RevisionsResult:
    """Count the past values that changed since the newest earlier night, and store the list of them.

    Args:
        clean: The clean table of this night.
        before: The clean table of the newest earlier night; None on a first night.
        cutoff: The cutoff of that night; None on a first night.
        store: The store that holds the tables.

    Returns:
        Counts by kind and the stored list; empty on a first night and if nothing changed.

    Raises:
        NightcastError: If the clean table of the earlier night is missing or damaged.
    """
    if before is None or cutoff is None or before.digest == clean.digest:
        return RevisionsResult(before=before.digest if before else "")
    after = load_clean_table(clean, store)
    try:
        revisions = find_revisions(iterate_clean_parts(before, store), after, pd.Timestamp(cutoff))
    except StoreDamaged as damaged:
        raise NightcastError(
            f"{damaged.uri} in the store {damaged.reason}: it is the clean table of the night before, with "
            f"observations up to {cutoff:%Y-%m-%d %H:%M} UTC, and values that were revised since are not known. Run "
            "that night again with --as-of, then this one. The next night needs neither."
        ) from damaged
    if revisions.empty:
        return RevisionsResult(before=before.digest)
    counts: Mapping[str, int] = revisions["kind"].value_counts().to_dict()
    row = revisions.iloc[0]
    change = f"{_format_value(row['before'])} → {_format_value(row['after'])}"
    return RevisionsResult(
        late=counts.get("late", 0),
        rewritten=counts.get("rewritten", 0),
        gone=counts.get("gone", 0),
        table=store.put(revisions, "revisions"),
        before=before.digest,
        first=f"{row['unique_id']!r} at {row['ds']:%Y-%m-%d %H:%M}: {change}",
    )


def _format_value(value: float) -> str:
    return "nothing" if pd.isna(value) else f"{value:g}"
