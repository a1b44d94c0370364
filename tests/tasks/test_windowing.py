"""Step 3: the index of windows, and the part of the clean table that a model may learn from."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.data.panel import InputSpec
from models.data.panel_table import PanelTable
from models.data.windows import HistoryTooShort, WindowSpec
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import EvaluationSpec
from tasks.modeling.training_data import (
    content_digest,
    load_training_part,
    load_window_index,
    select_training_part,
    window_cutoffs,
)
from tasks.storage.store import Store
from tasks.windowing import cut_windows


def test_every_split_has_windows_and_each_series_one_forecast_window(prepared: Any) -> None:
    table = prepared.store.get(prepared.windows)
    windows = (table["last"] - table["first"]) // table["stride"] + 1
    assert windows.groupby(table["split"]).sum()[["forecast", "test"]].to_dict() == {"forecast": 2, "test": 12}
    assert prepared.windows.contract == "windows@2.0.0"
    assert [str(kind) for kind in table.dtypes] == ["int32", "int32", "int32", "int32", "str"]


def test_window_index_survives_storage(prepared: Any) -> None:
    index, table = load_window_index(prepared.windows, prepared.store), prepared.store.get(prepared.windows)
    assert sum(len(windows.series) for windows in index.parts.values()) == len(table)
    assert np.concatenate([windows.last for windows in index.parts.values()]).tolist() == table["last"].tolist()


def test_forecast_windows_are_at_the_cutoff(prepared: Any) -> None:
    cutoffs = window_cutoffs(
        load_clean_table(prepared.clean, prepared.store),
        load_window_index(prepared.windows, prepared.store),
        "forecast",
    )
    assert cutoffs["unique_id"].tolist() == ["a", "b"]
    assert set(cutoffs["cutoff"]) == {pd.Timestamp(prepared.cutoff)}


def test_training_part_ends_before_the_first_test_target(prepared: Any, view: InputSpec) -> None:
    clean, index = load_clean_table(prepared.clean, prepared.store), load_window_index(prepared.windows, prepared.store)
    part, part_index = select_training_part(clean, index, view)
    assert part.times.max() <= window_cutoffs(clean, index, "test")["cutoff"].min()
    assert set(part_index.parts) == {"train", "validation"}


def test_loaded_training_part_is_the_one_that_is_selected_from_the_whole_table(prepared: Any, view: InputSpec) -> None:
    clean, index = load_clean_table(prepared.clean, prepared.store), load_window_index(prepared.windows, prepared.store)
    part, part_index = load_training_part(prepared.clean, prepared.windows, view, prepared.store)
    assert len(part) < len(clean)
    assert content_digest(part, part_index) == content_digest(*select_training_part(clean, index, view))


def test_training_part_does_not_depend_on_the_test_part(prepared: Any, view: InputSpec) -> None:
    clean, index = load_clean_table(prepared.clean, prepared.store), load_window_index(prepared.windows, prepared.store)
    end, frame = select_training_part(clean, index, view)[0].times.max(), clean.frame()
    poisoned = PanelTable.from_frame(frame.assign(y=frame["y"].where(frame["ds"] <= end, -999.0)))
    digests = {content_digest(*select_training_part(table, index, view)) for table in (clean, poisoned)}
    assert len(digests) == 1


@pytest.mark.parametrize("change", ["a value", "a window", "a name"])
def test_digest_of_the_training_part_changes_with_every_difference(prepared: Any, view: InputSpec, change: str) -> None:
    part, index = select_training_part(
        load_clean_table(prepared.clean, prepared.store), load_window_index(prepared.windows, prepared.store), view
    )
    before = content_digest(part, index)
    if change == "a value":
        part = replace(part, numbers={"y": np.where(np.arange(len(part)) != 5, part.numbers["y"], 0.0)})
    elif change == "a name":
        part = replace(part, numbers={"z": part.numbers["y"]})
    else:
        index.parts["train"].first[0] += 1
    assert content_digest(part, index) != before


def test_same_clean_table_gives_same_windows(prepared: Any, view: InputSpec) -> None:
    spec = WindowSpec(horizon=3, validation="2d", test="3d")
    evaluation = EvaluationSpec(windows=6)
    windows = cut_windows.fn(prepared.clean, prepared.cutoff, view, spec, evaluation, prepared.store)
    assert windows == prepared.windows


def test_too_short_history_is_an_error(store: Store, view: InputSpec) -> None:
    ds = pd.date_range("2024-03-01", periods=5, freq="h", tz="UTC").as_unit("us")
    clean = store.put(pd.DataFrame({"unique_id": "a", "ds": ds, "y": 1.0}), "clean")
    with pytest.raises(HistoryTooShort, match="has 5 steps"):
        cut_windows.fn(clean, ds[-1].to_pydatetime(), view, WindowSpec(horizon=3), EvaluationSpec(windows=6), store)
