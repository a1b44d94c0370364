"""The steps of a night share one decoded table; a damaged file is noticed although the table is known."""

import errno
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import StoreDamaged
from models.data.mapped_pages import mapping_of
from tasks.modeling import clean_table
from tasks.modeling.clean_table import (
    iterate_clean_parts,
    load_clean_table,
    load_clean_until,
    load_series_steps,
    read_clean_series,
)


def test_steps_share_one_table_that_nobody_can_write_to(prepared: Any) -> None:
    table = load_clean_table(prepared.clean, prepared.store)
    assert load_clean_table(prepared.clean, prepared.store) is table
    with pytest.raises(ValueError, match="read-only"):
        table.numbers["y"][0] = 0.0


def test_table_of_another_night_does_not_replace_that_of_this_night(prepared: Any) -> None:
    table = load_clean_table(prepared.clean, prepared.store)
    frame = prepared.store.get(prepared.clean)
    other = prepared.store.put(frame.assign(y=1.0), "clean")
    parts = list(iterate_clean_parts(other, prepared.store))
    assert [value for part in parts for value in part.numbers["y"]] == [1.0] * len(frame)
    assert read_clean_series(other, {"a"}, prepared.store)["unique_id"].unique().tolist() == ["a"]
    assert load_clean_table(prepared.clean, prepared.store) is table


def test_series_that_goes_on_in_the_next_row_group_is_one(prepared: Any) -> None:
    frame = prepared.store.get(prepared.clean)
    cuts = [0, 10, 20, len(frame) // 2 + 5, len(frame)]
    groups = [frame.iloc[begin:end] for begin, end in itertools.pairwise(cuts)]
    stored = prepared.store.put_parts(groups, "clean")
    parts = list(iterate_clean_parts(stored, prepared.store))
    assert [list(part.ids) for part in parts] == [["a", "b"]]
    pd.testing.assert_frame_equal(parts[0].frame(), frame)


def test_first_rows_are_those_of_the_whole_table(prepared: Any) -> None:
    whole = load_clean_table(prepared.clean, prepared.store)
    steps = load_series_steps(prepared.clean, prepared.store)
    assert (list(steps.ids), steps.lengths.tolist(), steps.numbers) == (list(whole.ids), whole.lengths.tolist(), {})
    first = load_clean_until(prepared.clean, whole.times[40], len(steps.between(0, 41)), prepared.store)
    assert first.frame().equals(whole.between(0, 41).frame())
    assert load_clean_until(prepared.clean, whole.times[40], len(first), prepared.store) is first
    with pytest.raises(ValueError, match="read-only"):
        first.numbers["y"][0] = 0.0


def test_table_that_does_not_fit_the_memory_for_kept_tables_is_mapped(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_table, "_kept", {})
    whole = load_clean_table(prepared.clean, prepared.store)
    monkeypatch.setattr(clean_table, "MAX_KEPT_BYTES", whole.numbers["y"].nbytes)
    first = load_clean_until(prepared.clean, whole.times[40], len(whole.between(0, 41)), prepared.store)
    assert mapping_of(whole.numbers["y"]) is None
    assert mapping_of(first.numbers["y"]) is not None
    assert first.frame().equals(whole.between(0, 41).frame())
    with pytest.raises(ValueError, match="read-only"):
        first.numbers["y"][0] = 0.0
    assert load_clean_table(prepared.clean, prepared.store) is whole


def test_table_that_could_not_be_mapped_is_forgotten_before_the_next(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_table, "_kept", {})
    monkeypatch.setattr(clean_table, "MAX_KEPT_BYTES", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", raise_disk_full)
    whole = load_clean_table(prepared.clean, prepared.store)
    assert mapping_of(whole.numbers["y"]) is None
    load_clean_until(prepared.clean, whole.times[40], len(whole.between(0, 41)), prepared.store)
    assert load_clean_table(prepared.clean, prepared.store) is not whole


def raise_disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_damaged_file_of_a_known_table_is_an_error(prepared: Any) -> None:
    load_clean_table(prepared.clean, prepared.store)
    path = Path(prepared.store.root) / prepared.clean.uri
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreDamaged, match="digest"):
        load_clean_table(prepared.clean, prepared.store)
