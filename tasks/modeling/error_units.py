"""Errors of earlier forecasts as matrices: many nights of many series have more rows than a table should.

rows of a forecast                            units
a  c1  step 1 … H    error  ── to_units ──>   a  c1  [ e e e ]
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

ROW = ["unique_id", "ds"]
UNIT_COLUMNS = [*ROW, "cutoff", "step", "model_name", "scaled_error"]


class ErrorUnits(NamedTuple):
    """Scaled errors of n forecasts, each of one series, in the order of the names.

    `new` are the errors of actuals of this night, which do not count when these are compared: unique_id, ds, and their
    row and column in `errors`.
    """

    units: pd.DataFrame  # unique_id, cutoff and model_name
    errors: np.ndarray  # (n, H) float32, NaN where nothing was observed
    anomalous: np.ndarray  # (n, H) bool
    new: pd.DataFrame

    def of_models(self, chosen: Callable[[pd.Index], np.ndarray]) -> "ErrorUnits":
        """Return the units of the models that `chosen` selects among their names."""
        models = self.units["model_name"].array
        kept = np.asarray(chosen(models.categories))[models.codes]
        if kept.all():
            return self
        renumbered = np.cumsum(kept) - 1
        new = self.new[kept[self.new["row"]]]
        new = new.assign(row=renumbered[new["row"]])
        return ErrorUnits(self.units[kept].reset_index(drop=True), self.errors[kept], self.anomalous[kept], new)

    def with_anomalies(self, rows: pd.DataFrame) -> "ErrorUnits":
        """Return the units with those of the new errors as anomalies whose (unique_id, ds) is in `rows`."""
        matches = self.new[_has_rows(self.new, rows)]
        if matches.empty:
            return self
        anomalous = self.anomalous.copy()
        anomalous[matches["row"], matches["column"]] = True
        return self._replace(anomalous=anomalous)

    def without_new(self) -> np.ndarray:
        """Return the errors without those of new actuals, (n, H)."""
        if self.new.empty:
            return self.errors
        errors = self.errors.copy()
        errors[self.new["row"], self.new["column"]] = np.nan
        return errors


def to_units(rows: pd.DataFrame, anomalous: pd.DataFrame, new: pd.DataFrame) -> ErrorUnits:
    """Arrange rows of forecasts as units.

    Args:
        rows: unique_id, ds, cutoff, step, model_name and scaled_error; of rows with one (unique_id, cutoff, model_name,
            step) the first counts, and those without an error do not.
        anomalous: (unique_id, ds) of earlier anomalies.
        new: (unique_id, ds) of the new actuals.

    Returns:
        The units.
    """
    rows = rows[rows["scaled_error"].notna()]
    series, names = pd.factorize(rows["unique_id"], sort=True)
    moments, cutoffs = pd.factorize(rows["cutoff"], sort=True)
    models, labels = pd.factorize(rows["model_name"].astype("str"), sort=True)
    step, horizon = rows["step"].to_numpy(np.int64) - 1, int(rows["step"].max()) if len(rows) else 1
    unit = (series * max(len(cutoffs), 1) + moments) * max(len(labels), 1) + models
    kept = ~pd.Series(unit * horizon + step).duplicated().to_numpy()
    numbers, row = np.unique(unit[kept], return_inverse=True)
    of_cutoff = numbers // max(len(labels), 1)
    units = pd.DataFrame(
        {
            "unique_id": names[of_cutoff // max(len(cutoffs), 1)],
            "cutoff": cutoffs[of_cutoff % max(len(cutoffs), 1)],
            "model_name": pd.Categorical.from_codes(numbers % max(len(labels), 1), categories=labels),
        }
    )
    rows, column = rows[kept], step[kept]
    errors = np.full((len(units), horizon), np.nan, np.float32)
    errors[row, column] = rows["scaled_error"].to_numpy(np.float32)
    marks, is_anomalous = np.broadcast_to(False, errors.shape), _has_rows(rows, anomalous)  # without memory of its own
    if is_anomalous.any():
        marks = np.zeros(errors.shape, bool)
        marks[row[is_anomalous], column[is_anomalous]] = True
    is_new = _has_rows(rows, new)
    positions = rows.loc[is_new, ROW].assign(row=row[is_new], column=column[is_new]).reset_index(drop=True)
    return ErrorUnits(units, errors, marks, positions)


def _has_rows(table: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Return whether the (unique_id, ds) of each row of a table is in `rows`, (n,) bool."""
    matches = table["ds"].isin(rows["ds"].unique()).to_numpy(copy=True)
    if matches.any():
        matches[matches] = table.loc[matches, "unique_id"].isin(rows["unique_id"].unique()).to_numpy()
    if matches.any():
        keys, wanted = (pd.MultiIndex.from_frame(frame[ROW]) for frame in (table[matches], rows))
        matches[matches] = keys.isin(wanted)
    return matches
