"""Collation: the range of a series up to a cutoff, from the rows of the windows or from those of the panel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import collation
from models.data.panel import Panel
from tests.models.conftest import panel_of

VALUES = st.sampled_from([None, 0.0, -0.0, 1.0, -3.5, 1e300])


@settings(deadline=None, max_examples=60)
@given(series=st.lists(st.lists(VALUES, min_size=6, max_size=12), min_size=2, max_size=6), data=st.data())
def test_ranges_of_the_windows_are_those_of_the_panel(series: list[list[float | None]], data: st.DataObject) -> None:
    panel = panel_of({f"s{number}": values for number, values in enumerate(series)})
    codes = np.array(data.draw(st.lists(st.integers(0, len(series) - 1), min_size=1, max_size=8)))
    position = np.array([data.draw(st.integers(0, panel.lengths[code] - 1)) for code in codes])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collation, "MAX_SCANNED_SHARE", 1.0)
        alone = collation._ranges_at(panel, codes, position)
    assert "ranges" not in vars(panel)
    assert alone.tolist() == panel.ranges[panel.starts[codes] + position].tolist()
    assert collation._ranges_at(panel, codes, position).tolist() == alone.tolist()


def test_ranges_of_windows_in_all_parts_of_a_panel_are_computed_once(build_panel) -> None:
    panel: Panel = build_panel({"a": range(10), "b": range(0, 20, 2)})
    assert collation._ranges_at(panel, np.array([0, 1]), np.array([9, 4])).tolist() == [9.0, 8.0]
    assert "ranges" in vars(panel)


def test_earlier_observations_count(build_panel) -> None:
    from dataclasses import replace

    panel: Panel = replace(build_panel({"a": range(10)}), earlier=np.array([[-5.0, 3.0]]))
    assert collation._ranges_at(panel, np.array([0]), np.array([1])).tolist() == [8.0]
