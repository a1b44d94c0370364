"""Published errors are arranged by series and night, of the model that forecast last."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.monitoring.errors import arrange_errors, compare_error_nights, sum_errors
from tasks.storage.store import Store


def table_of(errors: dict[tuple[str, str, str], list[float]]) -> pd.DataFrame:
    """A published table: scaled errors by series, day of the cutoff and model."""
    parts = []
    for (name, day, model), values in errors.items():
        cutoff = pd.Timestamp(day, tz="UTC")
        times = cutoff + pd.to_timedelta(np.arange(1, len(values) + 1), unit="h")
        parts.append(pd.DataFrame({"unique_id": name, "ds": times, "scaled_error": values, "model_name": model}))
        parts[-1]["cutoff"], parts[-1]["step"] = cutoff, np.arange(1, len(values) + 1)
    table = pd.concat(parts, ignore_index=True).assign(y=0.0, y_hat=0.0, p_value=1.0, series_p_value=1.0)
    return table.assign(is_anomaly=False, as_of=table["cutoff"] + pd.Timedelta("1D"))


def sums_of(nights: int, gain: float = 1.0) -> pd.DataFrame:
    """Sums of two series over 24 hours of each night; errors of the last three are `gain` times as large."""
    draw, rows = np.random.default_rng(1), []
    for night, cutoff in enumerate(pd.date_range("2024-01-01", periods=nights, tz="UTC")):
        for name in ("a", "b"):
            errors = draw.normal(size=24) * (gain if night >= nights - 3 else 1.0)
            rows.append((name, cutoff, "lstm", np.abs(errors).sum(), errors.sum(), 24))
    return pd.DataFrame(rows, columns=["unique_id", "cutoff", "model_name", "size", "bias", "rows"])


def test_means_by_series_and_night_of_the_newest_model(store: Store) -> None:
    first = table_of({("a", "2024-01-01", "naive"): [7.0], ("z", "2024-01-01", "lstm"): [9.0]})
    second = table_of({("a", "2024-01-02", "lstm"): [3.0, -1.0], ("b", "2024-01-02", "lstm"): [-1.0]})
    sums = sum_errors([store.put(first, "anomalies"), store.put(second, "anomalies")], {"a", "b"}, store)
    errors = arrange_errors(sums)
    assert errors.series == ["a", "b"]
    assert errors.sizes.tolist() == [[2.0], [1.0]]
    assert errors.biases.tolist() == [[1.0], [-1.0]]
    same = arrange_errors(sums.assign(model_name="lstm"))
    np.testing.assert_equal(same.sizes, [[7.0, 2.0], [np.nan, 1.0]])


def test_damaged_table_is_left_out_and_none_gives_no_nights(store: Store) -> None:
    table = store.put(table_of({("a", "2024-01-01", "lstm"): [1.0]}), "anomalies")
    (Path(store.root) / table.uri).write_bytes(b"torn")
    for tables in ([table], []):
        assert arrange_errors(sum_errors(tables, {"a"}, store)).series == []


def test_single_error_counts_at_most_ten_half_widths(store: Store) -> None:
    table = store.put(table_of({("a", "2024-01-01", "lstm"): [-1e9]}), "anomalies")
    assert arrange_errors(sum_errors([table], {"a"}, store)).biases.tolist() == [[-10.0]]


@pytest.mark.parametrize(("gain", "drifted"), [(1.0, False), (2.0, True)])
def test_errors_that_double_are_below_the_level_on_the_newest_nights(gain: float, drifted: bool) -> None:
    nights = compare_error_nights(arrange_errors(sums_of(63, gain)))
    assert len(nights) == 3
    assert (nights[0]["forecast errors"].p_value < 0.01) == drifted


@pytest.mark.parametrize("nights", [0, 1, 5, 30])
def test_few_nights_give_no_alarm(nights: int) -> None:
    compared = compare_error_nights(arrange_errors(sums_of(nights, 9.0)))
    assert all(night["forecast errors"].p_value == 1 for night in compared)
