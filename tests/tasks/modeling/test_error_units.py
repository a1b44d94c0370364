"""Errors as matrices: a unit per forecast of a series, new errors and anomalies at their places."""

import numpy as np
import pandas as pd

from tasks.modeling.error_units import to_units

NAN = float("nan")
DAY = pd.Timestamp("2024-03-01", tz="UTC")
ERRORS = pd.DataFrame(
    {
        "unique_id": ["b", "a", "a", "a", "a"],
        "step": [1, 1, 2, 1, 3],
        "cutoff": DAY,
        "model_name": ["gru", "gru", "gru", "gru", "lstm"],
        "scaled_error": [1.0, 2.0, 3.0, 9.0, NAN],
    }
).assign(ds=lambda rows: DAY + pd.to_timedelta(rows["step"], unit="h"))


def test_first_of_two_errors_of_a_step_counts_and_a_missing_error_has_no_unit() -> None:
    units = to_units(ERRORS, ERRORS[:0], ERRORS[:0])
    assert units.units[["unique_id", "model_name"]].to_numpy().tolist() == [["a", "gru"], ["b", "gru"]]
    np.testing.assert_array_equal(units.errors, np.array([[2.0, 3.0], [1.0, NAN]], np.float32))
    assert units.errors.dtype == np.float32
    assert not units.anomalous.any()


def test_anomalies_and_new_errors_are_at_their_rows_and_steps() -> None:
    units = to_units(ERRORS, ERRORS[:1], ERRORS[2:3])
    assert units.anomalous.tolist() == [[False, False], [True, False]]
    assert units.new[["unique_id", "row", "column"]].to_numpy().tolist() == [["a", 0, 1]]
    np.testing.assert_array_equal(units.without_new(), np.array([[2.0, NAN], [1.0, NAN]], np.float32))
    assert units.with_anomalies(ERRORS).anomalous.tolist() == [[False, True], [True, False]]


def test_units_of_other_models_are_left_out() -> None:
    rows = ERRORS.assign(model_name=["x", "gru", "gru", "gru", "gru"])
    units = to_units(pd.concat([rows, rows.assign(unique_id="c", model_name="gru")]), ERRORS[:0], rows[1:2])
    chosen = units.of_models(lambda names: names == "gru")
    assert chosen.units["unique_id"].tolist() == ["a", "c"]
    assert chosen.new[["row", "column"]].to_numpy().tolist() == [[0, 0]]
    assert units.of_models(lambda names: names != "") is units
