"""Forecast tables: parts of a table, and the audit before it is published."""

import pandas as pd
import pytest

from data_contracts.errors import ContractBroken
from tasks.modeling.forecasts import audit_forecasts, iterate_series_parts


def test_parts_of_a_forecast_hold_whole_series_in_order() -> None:
    ds = pd.to_datetime(["2024-01-02", "2024-01-01"] * 3, utc=True).as_unit("us")
    table = pd.DataFrame({"unique_id": ["b", "b", "a", "a", "c", "c"], "ds": ds, "y_hat": range(6)})
    parts = list(iterate_series_parts(table, rows=3))
    assert [part["unique_id"].tolist() for part in parts] == [["a", "a", "b", "b"], ["c", "c"]]
    assert [part["y_hat"].tolist() for part in parts] == [[3, 2, 1, 0], [5, 4]]
    assert [part.index.tolist() for part in parts] == [[0, 1, 2, 3], [0, 1]]
    assert pd.concat(parts, ignore_index=True).equals(table.sort_values(["unique_id", "ds"], ignore_index=True))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"y_hat": [1.0, float("nan")]}, "1 rows have a forecast that is not finite"),
        ({"q90": [0.0, 2.0]}, "quantiles decrease"),
        ({"step": [2, 1]}, "steps do not count from 1 to 2 in order of time"),
        ({"cutoff": pd.to_datetime(["2024-01-02"] * 2, utc=True)}, "a ds that is not after its cutoff"),
        ({"ds": pd.to_datetime(["2024-01-02"] * 2, utc=True)}, "occurs more than once"),
    ],
)
def test_audit_names_the_rule_that_is_broken(change: dict[str, object], rule: str) -> None:
    table = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.to_datetime(["2024-01-02", "2024-01-03"], utc=True),
            "cutoff": pd.to_datetime(["2024-01-01"] * 2, utc=True),
            "step": [1, 2],
            "y_hat": 1.0,
            "q10": 0.5,
            "q90": 2.0,
        }
    )
    audit_forecasts(table, 2)
    with pytest.raises(ContractBroken, match=rule):
        audit_forecasts(table.assign(**change), 2)
