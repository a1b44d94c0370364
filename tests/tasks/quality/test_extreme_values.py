"""Numbers that models cannot compute with are rejected as a warning; large but plausible numbers are used."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.intake.examination import examine
from tasks.quality.extreme_values import find_extreme_values
from tasks.sources.dataset import DatasetSpec

NAN = float("nan")
TENS = [10.0, 12.0, 9.0, 11.0, 10.0, 0.0, NAN, 13.0, 10.0, 9.0, 8.0, 12.0]


@pytest.mark.parametrize(
    ("value", "is_extreme"),
    [
        (1e300, True), (-1e300, True), (1.7e308, True), (1e31, True), (1e20, True), (2e10, True), (-1e12, True),
        (1e10, False), (1e6, False), (0.0, False), (NAN, False), (1e-300, False),
    ],
)  # fmt: skip
def test_value_is_extreme_by_its_size_relative_to_its_series(value: float, is_extreme: bool) -> None:
    values = pd.Series([*TENS, value])
    extreme = find_extreme_values(values, pd.Series(["a"] * len(values)))
    assert extreme.tolist() == [False] * len(TENS) + [is_extreme]


@pytest.mark.parametrize(("value", "is_extreme"), [(1e29, False), (1e31, True)])
def test_short_series_has_only_the_absolute_limit(value: float, is_extreme: bool) -> None:
    assert find_extreme_values(pd.Series([1.0, 2.0, value]), pd.Series(["a"] * 3)).tolist() == [
        False,
        False,
        is_extreme,
    ]


def test_series_of_different_sizes_are_not_extreme() -> None:
    values = pd.Series([*np.linspace(1, 2, 20) * 1e-6, *np.linspace(1, 2, 20) * 1e9])
    assert not find_extreme_values(values, pd.Series(["small"] * 20 + ["large"] * 20)).any()


@pytest.mark.parametrize("column", ["sold", "price", "visits"])
def test_row_goes_to_quarantine_and_the_night_goes_on(
    sales: Callable[..., pd.DataFrame], reading: Callable[..., DatasetSpec], column: str
) -> None:
    table, names = sales(), {"sku": "unique_id", "hour": "ds", "sold": "y"}
    table.loc[(table["sku"] == "apple") & (table["hour"] == pd.Timestamp("2024-03-01 20:00", tz="UTC")), column] = 1e300
    raw = table.rename(columns=names).assign(row=np.arange(len(table)))
    result: Any = examine(raw, reading(), datetime(2024, 3, 2, 6, tzinfo=UTC))
    assert result.stopping == ()
    assert result.rejected["row"].tolist() == [20]
    (extreme,) = result.extreme
    assert extreme.sentence == f"{column} is 1e+300 at 2024-03-01 20:00 UTC, too large to compute with"
    assert extreme.series == "apple"
    apple = result.clean[result.clean["unique_id"] == "apple"].set_index("ds")
    assert np.isnan(apple.loc["2024-03-01 20:00", "y"]).all()
    assert result.health.read == result.health.used + result.health.quarantined
