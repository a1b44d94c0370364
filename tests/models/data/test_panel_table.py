"""A table as columns of numbers gives back the frame that it was made of, whole, cut and in parts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.panel_table import PanelTable

HOURS = pd.date_range("2024-03-01", periods=4, freq="h", tz="UTC").as_unit("us")
FRAME = pd.DataFrame(
    {
        "unique_id": ["a", "a", "a", "a", "b", "b"],
        "ds": [*HOURS, *HOURS[2:]],
        "y": [1.0, 2.0, 3.0, np.nan, 10.0, 20.0],
        "town": ["Bonn"] * 4 + ["Kiel"] * 2,
    }
)
TABLE = PanelTable.from_frame(FRAME)


def series_of(draw: st.DrawFn) -> pd.DataFrame:
    parts = []
    for name in sorted(draw(st.sets(st.sampled_from(["a", "b", "c/d", "é"]), min_size=1))):
        first, count = draw(st.integers(0, 5)), draw(st.integers(1, 6))
        ds = pd.date_range("2024-03-01", periods=first + count, freq="h", tz="UTC").as_unit("us")[first:]
        values = draw(st.lists(st.sampled_from([np.nan, -1.0, 0.5]), min_size=count, max_size=count))
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": values}))
    return pd.concat(parts, ignore_index=True)


frames = st.composite(series_of)()


def test_series_are_ranges_of_rows_and_steps() -> None:
    assert (TABLE.first.tolist(), TABLE.lengths.tolist(), TABLE.starts.tolist()) == ([0, 2], [4, 2], [0, 4])
    assert TABLE.row_steps.tolist() == [0, 1, 2, 3, 2, 3]
    assert TABLE.labels.to_dict("records") == [{"unique_id": "a", "town": "Bonn"}, {"unique_id": "b", "town": "Kiel"}]


def test_last_known_value_is_that_before_the_gap() -> None:
    assert TABLE.last_known().tolist() == [2, 3]
    assert TABLE.newest_known() == HOURS[3]
    assert TABLE.is_known().tolist() == [True, True, True, True]
    assert pd.isna(PanelTable.from_frame(FRAME.assign(y=np.nan)).newest_known())


def test_order_of_the_frame_does_not_matter() -> None:
    pd.testing.assert_frame_equal(PanelTable.from_frame(FRAME.iloc[::-1]).frame(), FRAME)


def test_text_of_a_series_is_its_last_one_that_is_known() -> None:
    frame = FRAME.assign(town=["Bonn", None, "Köln", None, None, None])
    assert PanelTable.from_frame(frame).texts["town"].fillna("").tolist() == ["Köln", ""]


def test_column_of_nothing_is_a_column_of_numbers() -> None:
    assert np.isnan(PanelTable.from_frame(FRAME.assign(heat=None)).numbers["heat"]).all()


def test_shortened_series_keep_their_first_rows() -> None:
    short = TABLE.shorten(np.array([3, 0]))
    pd.testing.assert_frame_equal(short.frame(), FRAME.iloc[:3])
    assert TABLE.shorten(TABLE.lengths) is TABLE


def test_unknown_names_select_nothing() -> None:
    assert TABLE.select(["z", "b", "b"]).ids.tolist() == ["b"]
    assert len(TABLE.select(["z"])) == 0


@settings(max_examples=60)
@given(frame=frames, cut=st.integers(1, 30), rows=st.integers(1, 12))
def test_frame_comes_back_however_it_is_given(frame: pd.DataFrame, cut: int, rows: int) -> None:
    parts = [part for part in (frame.iloc[:cut], frame.iloc[cut:]) if len(part)]
    table = PanelTable.from_parts(parts, len(frame))
    pd.testing.assert_frame_equal(table.frame(), frame)
    pieces = pd.concat([part.frame() for part in table.partitions(rows)], ignore_index=True)
    pd.testing.assert_frame_equal(pieces, frame)


@settings(max_examples=60)
@given(frame=frames, first=st.integers(0, 11), end=st.integers(0, 12))
def test_cut_table_has_the_rows_of_the_cut_frame(frame: pd.DataFrame, first: int, end: int) -> None:
    table = PanelTable.from_frame(frame)
    times = table.times[first:end]
    cut, kept = table.between(first, end), frame[frame["ds"].isin(times)]
    pd.testing.assert_frame_equal(cut.frame(), kept.reset_index(drop=True))
    if len(kept):
        assert (cut.times[0], cut.times[-1]) == (kept["ds"].min(), kept["ds"].max())


@pytest.mark.parametrize(("inclusive", "steps"), [(True, 3), (False, 2)])
def test_steps_until_a_moment(inclusive: bool, steps: int) -> None:
    assert TABLE.steps_until(HOURS[2], inclusive=inclusive) == steps
