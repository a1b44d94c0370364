"""Rows that repeat a key are those of `DataFrame.duplicated`, whatever the types of its columns."""

from typing import Literal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sources import repeats
from tasks.sources.repeats import find_repeats

KEYS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(-1, 3)), max_size=12)


def table(keys: list[tuple[str | None, int]], kind: str) -> pd.DataFrame:
    hours = pd.date_range("2024-03-01", periods=4, freq="h", tz="UTC").as_unit("us")
    times = pd.Series([hours[step] if step >= 0 else pd.NaT for _, step in keys], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"name": pd.Series([name for name, _ in keys], dtype="str").astype(kind), "time": times})


@pytest.mark.parametrize("kind", ["str", "category"])
@settings(max_examples=60)
@given(keys=KEYS, keep=st.sampled_from(["first", "last", False]))
def test_repeats_are_those_of_pandas(
    kind: str, keys: list[tuple[str | None, int]], keep: Literal["first", "last", False]
) -> None:
    frame = table(keys, kind)
    expected = table(keys, "str").duplicated(keep=keep).tolist()
    assert find_repeats(frame, ["name", "time"], keep=keep).tolist() == expected


def test_key_of_too_many_cells_is_compared_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MIN_CELLS", 0)
    monkeypatch.setattr(repeats, "MAX_CELLS_PER_ROW", 0)
    frame = table([("a", 1), ("b", 1), ("a", 1)], "category")
    assert find_repeats(frame, ["name", "time"], keep="first").tolist() == [False, False, True]
