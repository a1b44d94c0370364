"""Step 2b · clean, tonight's and last night's → revisions: late rows, rewritten history, values that are gone.

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


def revisions(before: pd.DataFrame, after: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Columns unique_id, ds, kind, before, after, a row each value up to `cutoff` that is another one now.

    A series that is only in one of the tables is new or gone as a whole, which is told elsewhere.
    """
    both = set(before["unique_id"].unique()) & set(after["unique_id"].unique())
    old, new = (one.loc[(one["ds"] <= cutoff) & one["unique_id"].isin(both), [*KEY, "y"]] for one in (before, after))
    joined = old.merge(new, "outer", KEY, suffixes=("_before", "_after"))
    told = joined.rename(columns={"y_before": "before", "y_after": "after"})
    had, has = told["before"].notna(), told["after"].notna()
    told = told[(had | has) & ~(told["before"] == told["after"])]
    kinds = pd.Series("rewritten", index=told.index).mask(~had, "late").mask(~has, "gone")
    return told.assign(kind=kinds.astype("str")).sort_values(KEY, ignore_index=True)[[*KEY, "kind", "before", "after"]]


@step
def list_revisions(clean: Artifact, before: Artifact | None, cutoff: datetime | None, store: Store) -> RevisionsResult:
    """`before` and `cutoff` are those of the newest earlier night; without one there is nothing to compare."""
    if before is None or cutoff is None or before.digest == clean.digest:
        return RevisionsResult()
    columns = [*KEY, "y"]
    told = revisions(store.get(before, columns), store.get(clean, columns), pd.Timestamp(cutoff))
    if told.empty:
        return RevisionsResult()
    counts: Mapping[str, int] = told["kind"].value_counts().to_dict()
    row = told.iloc[0]
    first = f"{row['unique_id']!r} at {row['ds']:%Y-%m-%d %H:%M}: {_value(row['before'])} → {_value(row['after'])}"
    return RevisionsResult(
        late=counts.get("late", 0),
        rewritten=counts.get("rewritten", 0),
        gone=counts.get("gone", 0),
        table=store.put(told, "revisions"),
        first=first,
    )


def _value(value: float) -> str:
    return "nothing" if pd.isna(value) else f"{value:g}"
