"""The panel on its grid: known covariates over the horizon, and open steps without a value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from models.data.closed_times import ClosedTimes
from models.data.panel_table import PanelTable
from models.data.time_steps import build_grid
from tasks.quality.panel_checks import (
    check_density,
    check_future_covariates,
    check_similar_names,
    count_open_steps,
)
from tasks.quality.time_grid import reindex_to_grid
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]
CUTOFF = pd.Timestamp("2024-03-01 02:00", tz="UTC")
ENDS = (
    ("a", "2024-03-01 00:00", 1.0, 1.0),
    ("a", "2024-03-01 02:00", 2.0, 1.0),
    ("a", "2024-03-01 03:00", None, 9.0),
    ("a", "2024-03-01 04:00", None, 9.0),
    ("a", "2024-03-01 05:00", None, 9.0),
    ("gone", "2024-03-01 00:00", 3.0, 1.0),
    ("gone", "2024-03-01 01:00", 4.0, 1.0),
    ("new", "2024-03-01 04:00", None, 2.0),
)


def rows(*values: tuple[str, str, float | None, float | None]) -> pd.DataFrame:
    """(unique_id, ds, y, price) a row."""
    frame = pd.DataFrame(values, columns=["unique_id", "ds", "y", "price"])
    frame["ds"] = pd.to_datetime(frame["ds"], utc=True).astype("datetime64[us, UTC]")
    return frame.assign(row=range(len(frame)), visits=1.0, town="Bonn")


def ahead(frame: pd.DataFrame, reading: DatasetSpec) -> tuple[pd.DataFrame, list[Any]]:
    full = reindex_to_grid(frame, build_grid(frame["ds"], "h", 3), CUTOFF, reading)
    panel, violations = check_future_covariates(PanelTable.from_parts([full], len(full)), CUTOFF, reading)
    return panel.frame(), violations


def test_known_covariates_over_the_whole_horizon_are_accepted(reading: MakeDataset) -> None:
    clean, violations = ahead(rows(*ENDS), reading())
    assert (len(clean), violations) == (9, [])


def test_known_covariate_missing_in_every_series_is_an_error_with_series_time_and_fix(reading: MakeDataset) -> None:
    frame = rows(*(row for row in ENDS if row[:2] != ("a", "2024-03-01 04:00")))
    clean, (violation,) = ahead(frame, reading())
    assert clean.groupby("unique_id")["ds"].max().dt.hour.to_dict() == {"a": 2, "gone": 2}
    assert (violation.column, violation.severity) == ("price", "error")
    assert violation.reason == (
        "known covariate has no value for 1 of 3 steps of the horizon, first series 'a' at 2024-03-01 04:00; "
        "supply the values, or move the column to features.observed"
    )


def test_no_row_after_the_cutoff_is_an_error(reading: MakeDataset) -> None:
    _, (violation,) = ahead(rows(*(row for row in ENDS if row[1] <= "2024-03-01 02:00")), reading())
    assert violation.severity == "error"
    assert violation.reason.startswith("known covariate has no value for 3 of 3 steps of the horizon")


def test_one_series_without_known_covariates_loses_its_horizon_with_a_warning(reading: MakeDataset) -> None:
    later = (("b", f"2024-03-01 0{hour}:00", 1.0 if hour == 2 else None, 1.0) for hour in (2, 3, 5))
    clean, (violation,) = ahead(rows(*ENDS, *later), reading())
    assert violation.severity == "warning"
    assert clean.groupby("unique_id")["ds"].max().dt.hour.to_dict() == {"a": 5, "b": 2, "gone": 2}


def panel(*series: tuple[str, list[float]]) -> PanelTable:
    """Hourly series from midnight on Monday, 2024-03-04."""
    parts = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-03-04", periods=len(y), freq="h", tz="UTC"), "y": y})
        for name, y in series
    ]
    return PanelTable.from_frame(pd.concat(parts))


def closed_at_one(ids: list[str], name: str) -> ClosedTimes:
    """Mondays from 1:00 to 2:00 are closed for one series."""
    slots = np.zeros((len(ids), 168), dtype=bool)
    slots[ids.index(name), 1] = True
    return ClosedTimes(pd.Index(ids, dtype="str"), slots, "h", "UTC")


NAN = np.nan


def test_names_that_look_equal_are_reported_together(reading: MakeDataset) -> None:
    names = ["a", "a ", "b", "new  york", "new\u00a0york", "c\u200bd", "cd", "New york"]
    (violation,) = check_similar_names(names, reading())
    assert (violation.column, violation.severity) == ("sku", "info")
    assert violation.reason == (
        "differ only in whitespace or invisible characters: 'a' and 'a ', 'new  york' and 'new\\xa0york', 'cd' and "
        "'c\\u200bd'; each is a series of its own. If one is meant, write its name the same way in all rows of "
        "the source"
    )


def test_many_names_that_look_equal_are_counted(reading: MakeDataset) -> None:
    (violation,) = check_similar_names([f"{name}{end}" for name in "abcdef" for end in ("", " ")], reading())
    assert "'d' and 'd ' and 2 more; each" in violation.reason


def test_names_that_differ_in_case_or_a_letter_are_not_reported(reading: MakeDataset) -> None:
    assert check_similar_names(["a", "A", "b c", "bc", "é", "e"], reading()) == []


def test_closed_steps_are_not_counted() -> None:
    table = panel(("a", [1.0, NAN, NAN, 4.0]), ("b", [NAN, NAN, 3.0]))
    steps, gaps = count_open_steps(table, 4, closed_at_one(["a", "b"], "a"))
    assert (steps.tolist(), gaps.tolist()) == ([3, 3], [1, 2])
    steps, gaps = count_open_steps(table, 2, closed_at_one(["a", "b"], "a"))
    assert (steps.tolist(), gaps.tolist()) == ([1, 2], [0, 2])


def test_sparse_table_is_reported_with_its_emptiest_series_and_where_that_begins(reading: MakeDataset) -> None:
    table = panel(("a", [1.0, *[NAN] * 11]), ("b", [NAN, NAN, *[NAN] * 29, 5.0]))
    cutoff = pd.Timestamp("2024-03-05 07:00", tz="UTC")
    gaps, (violation,) = check_density(table, cutoff, reading(), closed_at_one(["a", "b"], "b"))
    assert gaps == 11 + 30  # one of the 31 of b is closed
    assert violation.reason.startswith(
        "95% of the steps of freq 'h' have no value, most of them in series 'b', which begins at 2024-03-04 00:00"
    )
    assert violation.severity == "info"


def test_dense_table_is_not_reported(reading: MakeDataset) -> None:
    table = panel(("a", [1.0, NAN, 2.0]))
    assert check_density(table, CUTOFF + pd.Timedelta("3D"), reading(), closed_at_one(["a"], "a")) == (0, [])
