"""Parts of a panel that were built alone join to the panel of all rows."""

import numpy as np
import pandas as pd

from models.data.panel_parts import PanelTableBuilder
from models.data.panel_table import PanelTable

HOURS = pd.date_range("2024-03-01", periods=5, freq="h", tz="UTC").as_unit("us")


def frame(name: str, first: int, y: list[float], town: str) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": name, "ds": HOURS[first : first + len(y)], "y": y, "town": town})


A, B, C = frame("a", 1, [1.0, np.nan], "Bonn"), frame("b", 3, [3.0, 4.0], "Kiel"), frame("c", 0, [5.0], "Bonn")


def build(*frames: pd.DataFrame) -> PanelTable:
    builder = PanelTableBuilder()
    for part in frames:
        builder.append(PanelTable.from_frame(part))
    return builder.build()


def test_times_of_the_parts_are_numbered_anew() -> None:
    joined = build(pd.concat([A, B]), C)
    assert (joined.first.tolist(), joined.lengths.tolist()) == ([1, 3, 0], [2, 2, 1])
    pd.testing.assert_frame_equal(joined.frame(), pd.concat([A, B, C], ignore_index=True))


def test_single_part_is_the_table() -> None:
    pd.testing.assert_frame_equal(build(A).frame(), A)


def test_lengths_are_those_of_the_parts_so_far() -> None:
    builder = PanelTableBuilder()
    builder.append(PanelTable.from_frame(pd.concat([A, B])))
    assert (builder.lengths.tolist(), len(builder)) == ([2, 2], 4)


def test_values_of_a_part_are_copied() -> None:
    part, builder = PanelTable.from_frame(A), PanelTableBuilder()
    builder.append(part)
    part.numbers["y"][0] = 9.0
    assert builder.build().numbers["y"][0] == 1.0
