"""Finite numbers that models cannot compute with, such as 1e300: the row is rejected, and the night goes on.

The square of 1e300 is infinite, so one such value makes the scale of its series infinite and every mean over the series
meaningless. It is rejected whatever the contract says of invalid rows: one number must not stop the other series.
"""

import numpy as np
import pandas as pd

from tasks.modeling.series import ExtremeValue
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec

MAX_MAGNITUDE = 1e30  # in any unit; squares of larger numbers overflow in float32
MAX_RATIO = 1e9  # to the median size of the numbers of the same series
MIN_VALUES = 10  # of a series, for a median
RULE_SUFFIX = " is in range"


def check_magnitudes(frame: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Find values of the target and the numeric covariates that are too large to compute with.

    Args:
        frame: The parsed rows, with `row`, unique_id and numbers as float64.
        reading: How the source is read.

    Returns:
        One violation per column, of severity warning: its rows go to quarantine.
    """
    violations = []
    for name, column in (("y", reading.columns.target), *((name, name) for name in reading.numeric_covariates)):
        extreme = find_extreme_values(frame[name], frame["unique_id"])
        if extreme.any():
            reason = f"is too large to compute with: over {MAX_MAGNITUDE:g}, or {MAX_RATIO:g} times the median"
            rows = frame.loc[extreme, "row"].tolist()
            violations.append(Violation(f"{name}{RULE_SUFFIX}", column, "warning", reason, rows))
    return violations


def find_extreme_values(values: pd.Series, ids: pd.Series) -> pd.Series:
    """Find numbers over MAX_MAGNITUDE, or over MAX_RATIO times the median size of the numbers of their series.

    Args:
        values: Numbers, NaN if missing.
        ids: The series of each value.

    Returns:
        Whether each value is extreme.
    """
    sizes = values.abs()
    numbers = sizes.to_numpy(dtype=float, na_value=np.nan)
    nonzero = numbers > 0
    smallest = float(numbers.min(where=nonzero, initial=np.inf))
    if numbers.max(where=nonzero, initial=0.0) <= min(MAX_MAGNITUDE, MAX_RATIO * smallest):
        return pd.Series(False, index=values.index)
    positive = sizes.where(sizes > 0).groupby(ids, observed=True)
    limits = (MAX_RATIO * positive.transform("median")).where(positive.transform("count") >= MIN_VALUES)
    return sizes > limits.fillna(MAX_MAGNITUDE).clip(upper=MAX_MAGNITUDE)


def list_extreme_values(frame: pd.DataFrame, violations: list[Violation]) -> tuple[ExtremeValue, ...]:
    """List the rejected values by series and time.

    Args:
        frame: The parsed rows, with `row`, unique_id, ds (UTC) and numbers.
        violations: All violations; only those of `check_magnitudes` are read.

    Returns:
        The newest extreme value of each series, sorted by series.
    """
    newest: dict[str, ExtremeValue] = {}
    for violation in violations:
        if not violation.rule.endswith(RULE_SUFFIX):
            continue
        name = violation.rule.removesuffix(RULE_SUFFIX)
        rows = frame[frame["row"].isin(violation.rows) & frame["ds"].notna()].sort_values("ds")
        for series, ds, value in zip(rows["unique_id"], rows["ds"], rows[name], strict=True):
            newest[str(series)] = ExtremeValue(series=str(series), ds=ds, column=violation.column, value=float(value))
    return tuple(newest[series] for series in sorted(newest))
