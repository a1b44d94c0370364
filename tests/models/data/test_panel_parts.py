"""Parts of a panel that were built alone join to the panel of all rows."""

import numpy as np
import pandas as pd

from models.data.panel_parts import join_tables
from models.data.panel_table import PanelTable

HOURS = pd.date_range("2024-03-01", periods=5, freq="h", tz="UTC").as_unit("us")


def frame(name: str, first: int, y: list[float], town: str) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": name, "ds": HOURS[first : first + len(y)], "y": y, "town": town})


A, B, C = frame("a", 1, [1.0, np.nan], "Bonn"), frame("b", 3, [3.0, 4.0], "Kiel"), frame("c", 0, [5.0], "Bonn")


def test_times_of_the_parts_are_numbered_anew() -> None:
    joined = join_tables([PanelTable.from_frame(pd.concat([A, B])), PanelTable.from_frame(C)])
    assert (joined.first.tolist(), joined.lengths.tolist()) == ([1, 3, 0], [2, 2, 1])
    pd.testing.assert_frame_equal(joined.frame(), pd.concat([A, B, C], ignore_index=True))


def test_list_of_parts_is_emptied_so_that_no_column_is_held_twice() -> None:
    parts = [PanelTable.from_frame(A), PanelTable.from_frame(B)]
    join_tables(parts)
    assert parts == []


def test_single_part_is_the_table() -> None:
    table = PanelTable.from_frame(A)
    assert join_tables([table]) is table
