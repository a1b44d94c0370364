"""Published errors are arranged by series and night, of the model that forecast last."""

import numpy as np
import pandas as pd
import pytest

from tasks.monitoring.errors import arrange_errors, compare_error_nights


def published(nights: int, gain: float = 1.0, model: str = "lstm") -> pd.DataFrame:
    """Errors of two series, 24 hours for each of the nights; those of the last three are `gain` times as large."""
    draw, parts = np.random.default_rng(1), []
    for night, cutoff in enumerate(pd.date_range("2024-01-01", periods=nights, tz="UTC")):
        for name in ("a", "b"):
            size = gain if night >= nights - 3 else 1.0
            parts.append(
                pd.DataFrame({"unique_id": name, "cutoff": cutoff, "scaled_error": size * draw.normal(size=24)})
            )
    return pd.concat(parts, ignore_index=True).assign(model_name=model)


def test_means_by_series_and_night_of_the_newest_model() -> None:
    cutoffs = pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)
    table = pd.DataFrame(
        {
            "unique_id": ["b", "a", "a", "a"],
            "cutoff": cutoffs[[1, 1, 1, 0]],
            "scaled_error": [-1.0, 3.0, -1.0, 7.0],
            "model_name": ["lstm", "lstm", "lstm", "naive"],
        }
    )
    errors = arrange_errors(table)
    assert errors.series == ["a", "b"]
    assert errors.sizes.tolist() == [[2.0], [1.0]]
    assert errors.biases.tolist() == [[1.0], [-1.0]]
    same = arrange_errors(table.assign(model_name="lstm"))
    np.testing.assert_equal(same.sizes, [[7.0, 2.0], [np.nan, 1.0]])


def test_single_error_counts_at_most_ten_half_widths() -> None:
    row = {"unique_id": ["a"], "cutoff": pd.to_datetime(["2024-01-01"], utc=True), "model_name": ["lstm"]}
    assert arrange_errors(pd.DataFrame(row | {"scaled_error": [-1e9]})).biases.tolist() == [[-10.0]]


@pytest.mark.parametrize(("gain", "drifted"), [(1.0, False), (2.0, True)])
def test_errors_that_double_are_below_the_level_on_the_newest_nights(gain: float, drifted: bool) -> None:
    nights = compare_error_nights(arrange_errors(published(63, gain)))
    assert len(nights) == 3
    assert (nights[0]["forecast errors"].p_value < 0.01) == drifted


@pytest.mark.parametrize("nights", [0, 1, 30])
def test_few_nights_give_no_alarm(nights: int) -> None:
    table = published(nights, 9.0) if nights else pd.DataFrame()
    assert all(night["forecast errors"].p_value == 1 for night in compare_error_nights(arrange_errors(table)))
