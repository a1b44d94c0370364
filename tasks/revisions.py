"""Compare this night's clean table with last night's and list late, rewritten and removed values.

last night   1  2  ∅  4  5 │          tonight   1  9  3  ∅  5  6        revisions   2 → 9 rewritten
                    cutoff ┘                                                        ∅ → 3 late     4 → ∅ gone
"""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from tasks.engine.step import step
from tasks.results.steps import RevisionsResult
from tasks.storage.store import Store

KEY = ["unique_id", "ds"]


def find_revisions(before: pd.DataFrame, after: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    """List the values up to `cutoff` that differ between two clean tables.

    A series that is in only one of the tables is new or removed as a whole. The data health of the page lists it.

    Args:
        before: The earlier clean table, with columns unique_id, ds (UTC) and y.
        after: The later clean table, with the same columns.
        cutoff: The last time of the earlier table that was known as history.

    Returns:
        Columns unique_id, ds, kind (late, rewritten or gone), before and after, sorted by series and time.
    """
    shared = set(before["unique_id"].unique()) & set(after["unique_id"].unique())
    old, new = (
        table.loc[(table["ds"] <= cutoff) & table["unique_id"].isin(shared), [*KEY, "y"]] for table in (before, after)
    )
    joined = old.merge(new, "outer", KEY, suffixes=("_before", "_after"))
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
    """
    if before is None or cutoff is None or before.digest == clean.digest:
        return RevisionsResult()
    columns = [*KEY, "y"]
    revisions = find_revisions(store.get(before, columns), store.get(clean, columns), pd.Timestamp(cutoff))
    if revisions.empty:
        return RevisionsResult()
    counts: Mapping[str, int] = revisions["kind"].value_counts().to_dict()
    row = revisions.iloc[0]
    change = f"{_format_value(row['before'])} → {_format_value(row['after'])}"
    return RevisionsResult(
        late=counts.get("late", 0),
        rewritten=counts.get("rewritten", 0),
        gone=counts.get("gone", 0),
        table=store.put(revisions, "revisions"),
        first=f"{row['unique_id']!r} at {row['ds']:%Y-%m-%d %H:%M}: {change}",
    )


def _format_value(value: float) -> str:
    return "nothing" if pd.isna(value) else f"{value:g}"
