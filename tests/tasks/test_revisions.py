"""Step 2b: late, rewritten and gone values are listed and counted."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NightcastError
from models.data.panel_table import PanelTable
from tasks.revisions import find_revisions, list_revisions
from tasks.storage.store import Store

CUTOFF = pd.Timestamp("2024-03-01 04:00", tz="UTC")
NOTHING = float("nan")


def clean(values: list[float], name: str = "a", start: str = "2024-03-01") -> pd.DataFrame:
    times = pd.date_range(start, periods=len(values), freq="h", tz="UTC").as_unit("us")
    return pd.DataFrame({"unique_id": name, "ds": times, "y": values})


def compare(before: pd.DataFrame, after: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    return find_revisions([PanelTable.from_frame(before)], PanelTable.from_frame(after), cutoff)


def test_late_rewritten_and_gone_values_are_distinguished() -> None:
    result = compare(clean([1, 2, NOTHING, 4, 5]), clean([1, 9, 3, NOTHING, 5, 6]), CUTOFF)
    assert result["ds"].dt.hour.tolist() == [1, 2, 3]
    assert result["kind"].tolist() == ["rewritten", "late", "gone"]
    np.testing.assert_array_equal(result["before"], [2, NOTHING, 4])
    np.testing.assert_array_equal(result["after"], [9, 3, NOTHING])


def test_values_after_the_last_cutoff_are_not_revisions() -> None:
    assert compare(clean([1, 2, 3, 4, 5]), clean([1, 2, 3, 4, 5, 6, 7]), CUTOFF).empty


def test_earlier_start_of_history_is_late() -> None:
    result = compare(clean([3, 4], start="2024-03-01 02:00"), clean([1, 2, 3, 4]), CUTOFF)
    assert result["kind"].tolist() == ["late", "late"]


def test_whole_series_that_are_new_or_gone_are_not_revisions() -> None:
    before = pd.concat([clean([1, 2]), clean([1, 2], "old")])
    after = pd.concat([clean([1, 2]), clean([1, 2], "new")])
    assert compare(before, after, CUTOFF).empty


@pytest.mark.parametrize("same", [True, False])
def test_first_night_and_equal_table_have_no_revisions(store: Store, same: bool) -> None:
    table = store.put(clean([1, 2]), "clean")
    result = list_revisions.fn(table, table if same else None, datetime(2024, 3, 1, 4, tzinfo=UTC), store)
    assert (result.sentence, result.table) == ("nothing changed", None)


def test_revisions_are_stored_and_counted(store: Store) -> None:
    before = store.put(clean([1, 2, NOTHING, 4, 5]), "clean")
    after = store.put(clean([1, 9, 3, 4, 5, 6]), "clean")
    result = list_revisions.fn(after, before, CUTOFF.to_pydatetime(), store)
    assert result.sentence == "1 late, 1 rewritten"
    assert result.first == "'a' at 2024-03-01 01:00: 2 → 9"
    assert result.table is not None
    assert store.get(result.table)["kind"].tolist() == ["rewritten", "late"]


def test_damaged_table_of_the_night_before_names_the_night_to_run_again(store: Store) -> None:
    before = store.put(clean([1, 2, 3, 4]), "clean")
    after = store.put(clean([1, 2, 3, 4, 5]), "clean")
    (Path(store.root) / before.uri).write_bytes(b"torn")
    with pytest.raises(NightcastError) as caught:
        list_revisions.fn(after, before, datetime(2024, 3, 1, 4, tzinfo=UTC), store)
    assert before.uri in str(caught.value)
    assert "observations up to 2024-03-01 04:00 UTC" in str(caught.value)
    assert "Run that night again with --as-of, then this one." in str(caught.value)
