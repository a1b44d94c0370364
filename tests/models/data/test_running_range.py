"""The range of a series up to a step: from checkpoints, it is that of all observations until then."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import panel as panels
from models.data import running_range
from models.data.panel import Panel
from tests.models.conftest import panel_of

VALUES = st.sampled_from([None, 0.0, -0.0, 1.0, -3.5, 1e300])
SERIES = st.lists(st.lists(VALUES, min_size=1, max_size=12), min_size=1, max_size=6)


def range_of(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if known else 0.0


@settings(max_examples=150)
@given(series=SERIES, steps=st.integers(1, 5), rows=st.integers(1, 20))
def test_ranges_are_those_of_all_observations_until_then(
    series: list[list[float | None]], steps: int, rows: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running_range, "BLOCK_STEPS", steps)
        patch.setattr(panels, "BLOCK_ROWS", rows)
        panel = panel_of({f"s{number}": values for number, values in enumerate(series)})
        codes = np.repeat(np.arange(len(series)), [len(values) for values in series])
        position = np.concatenate([np.arange(len(values)) for values in series])
        assert panel.ranges_at(codes, position).tolist() == [
            range_of(values[: end + 1]) for values in series for end in range(len(values))
        ]


def test_ranges_grow_with_the_observations_of_each_series(build_panel) -> None:
    panel = build_panel({"a": [np.nan, 2.0, np.nan, 5.0, 1.0], "b": [7.0] * 5})
    codes, position = np.repeat([0, 1], 5), np.tile(np.arange(5), 2)
    assert panel.ranges_at(codes, position).tolist() == [0.0, 0.0, 0.0, 3.0, 4.0] + [0.0] * 5


def test_earlier_observations_count(build_panel) -> None:
    panel: Panel = replace(build_panel({"a": range(10)}), earlier=np.array([[-5.0, 3.0]]))
    assert panel.ranges_at(np.array([0, 0]), np.array([1, 9])).tolist() == [8.0, 14.0]


def test_before_the_first_row_of_a_series_nothing_is_observed(build_panel) -> None:
    panel = build_panel({"a": [1.0, 9.0], "b": [4.0, 5.0]})
    assert panel.ranges_at(np.array([0, 1, 1]), np.array([-1, -1, 1])).tolist() == [0.0, 0.0, 1.0]


def test_a_long_series_has_checkpoints_instead_of_a_value_for_each_row(build_panel) -> None:
    panel = build_panel({"a": range(1000), "b": range(0, 2000, 2)})
    assert panel.ranges_at(np.array([0, 1, 1]), np.array([999, 999, 31])).tolist() == [999.0, 1998.0, 62.0]
    assert len(panel._running_range.low) == 64
