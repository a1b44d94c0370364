"""Actuals by series and time: what is known, what is not, and tables in any order."""

import numpy as np
import pandas as pd
import pytest

from models.data.panel_table import PanelTable
from tasks.modeling import actuals
from tasks.modeling.actuals import lookup_actuals

DAYS = pd.to_datetime(["2024-03-01", "2024-03-02", "2024-03-03"], utc=True)
CLEAN = pd.DataFrame(
    {"unique_id": ["a", "a", "a", "b", "b"], "ds": [*DAYS, *DAYS[1:]], "y": [1.0, np.nan, 3.0, 4.0, 5.0]}
)
TABLE = PanelTable.from_frame(CLEAN)
ASKED = pd.DataFrame(
    {"unique_id": ["b", "a", "b", "a", "z", "a"], "ds": [DAYS[2], DAYS[0], DAYS[0], DAYS[1], DAYS[0], DAYS[2]]}
)


def test_lookup_returns_known_values_and_nan_for_the_others() -> None:
    values = lookup_actuals(TABLE, ASKED["unique_id"], ASKED["ds"])
    np.testing.assert_equal(values, [5.0, 1.0, np.nan, np.nan, np.nan, 3.0])


@pytest.mark.parametrize("rows", [1, 4, 6])
def test_rows_looked_up_at_once_do_not_matter(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actuals, "LOOKED_UP_ROWS", rows)
    values = lookup_actuals(TABLE, ASKED["unique_id"], ASKED["ds"])
    np.testing.assert_equal(values, [5.0, 1.0, np.nan, np.nan, np.nan, 3.0])


def test_order_of_the_table_does_not_matter() -> None:
    values = lookup_actuals(PanelTable.from_frame(CLEAN.iloc[::-1]), ASKED["unique_id"], ASKED["ds"])
    np.testing.assert_equal(values, [5.0, 1.0, np.nan, np.nan, np.nan, 3.0])


def test_time_that_no_series_has_is_not_known() -> None:
    times = pd.Series(pd.to_datetime(["2030-01-01"], utc=True))
    assert np.isnan(lookup_actuals(TABLE, pd.Series(["a"]), times)).all()
    assert np.isnan(lookup_actuals(PanelTable.from_frame(CLEAN.iloc[:0]), pd.Series(["a"]), times)).all()
