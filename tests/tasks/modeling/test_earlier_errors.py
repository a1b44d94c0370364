"""Errors of earlier forecasts as a sample: which count, in which order, and none twice."""

import pandas as pd
import pytest

from tasks.modeling import earlier_errors
from tasks.modeling.earlier_errors import EarlierErrors, ErrorSample, build_sample, thin, with_interval
from tasks.modeling.error_units import to_units

NO_ROWS = pd.DataFrame({"unique_id": pd.Series(dtype="str"), "ds": pd.Series(dtype="datetime64[us, UTC]")})
TIMES = pd.date_range("2024-03-01", periods=12, freq="h", tz="UTC")


def errors_of(*rows: tuple[str, int, int, float], model: str = "gru") -> pd.DataFrame:
    """(series, hour of the cutoff, step, error)"""
    table = pd.DataFrame(rows, columns=["unique_id", "hour", "step", "scaled_error"])
    cutoff = TIMES[0] + pd.to_timedelta(table.pop("hour"), unit="h")
    return table.assign(cutoff=cutoff, ds=cutoff + pd.to_timedelta(table["step"], unit="h"), model_name=model)


def sample_of(rows: pd.DataFrame, anomalous: pd.DataFrame = NO_ROWS, horizon: int = 1) -> ErrorSample:
    return build_sample([to_units(rows, anomalous, NO_ROWS)], horizon)


@pytest.mark.parametrize(
    ("columns", "lower", "upper"),
    [(("q05", "q50", "q90"), 5.0, 90.0), (("q50", "q90"), None, 90.0), (("q10", "q50"), 10.0, None), ((), None, None)],
)
def test_outer_quantiles_are_the_interval(columns: tuple[str, ...], lower: float | None, upper: float | None) -> None:
    table = pd.DataFrame({"y_hat": [50.0], **{name: [float(name[1:])] for name in columns}})
    found = with_interval(table).iloc[0]
    assert found[["lower", "upper"]].tolist() == pytest.approx(
        [lower or float("nan"), upper or float("nan")], nan_ok=True
    )


def test_newest_unit_comes_first_and_the_first_of_two_rows_counts() -> None:
    rows = errors_of(("a", 3, 1, 1.0), ("a", 3, 1, 9.0), ("b", 3, 2, 2.0), ("a", 6, 1, 3.0))
    sample = sample_of(rows, horizon=2)
    assert list(zip(sample.units["unique_id"], sample.units["cutoff"].dt.hour, strict=True)) == [
        ("a", 6), ("a", 3), ("b", 3),
    ]  # fmt: skip
    nan = float("nan")
    assert sample.errors.reshape(-1).tolist() == pytest.approx([3.0, nan, 1.0, nan, nan, 2.0], nan_ok=True)


def test_earlier_anomalies_are_limited() -> None:
    rows = errors_of(("a", 3, 1, 50.0), ("b", 3, 1, -2.0))
    sample = sample_of(rows, rows.loc[:0, ["unique_id", "ds"]])
    assert sample.errors[:, 0].tolist() == [3.0, -2.0]


def test_errors_stay_with_their_units_when_others_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_errors, "BLOCK_UNITS", 2)
    rows = errors_of(*(("a", hour, 1, float(hour)) for hour in range(9)), ("b", 4, 1, 40.0))
    thinned = thin(sample_of(rows), TIMES, 2)
    assert thinned.units["unique_id"].tolist() == ["a", "a", "a", "b", "a", "a"]
    assert thinned.errors[:, 0].tolist() == [8.0, 6.0, 4.0, 40.0, 2.0, 0.0]


@pytest.mark.parametrize(("span", "hours"), [(1, [6, 5, 3]), (2, [6, 3]), (3, [6, 3]), (4, [6])])
def test_units_that_overlap_are_dropped_within_a_series(span: int, hours: list[int]) -> None:
    rows = errors_of(("a", 3, 1, 1.0), ("a", 5, 1, 1.0), ("a", 6, 1, 1.0), ("b", 4, 1, 1.0))
    units = thin(sample_of(rows), TIMES, span).units
    assert units.loc[units["unique_id"] == "a", "cutoff"].dt.hour.tolist() == hours
    assert units.loc[units["unique_id"] == "b", "cutoff"].dt.hour.tolist() == [4]


def test_other_versions_and_then_other_models_count_if_there_are_too_few() -> None:
    rows = [errors_of(("a", 9, 1, 1.0)), errors_of(("a", 8, 1, 2.0), model="linear")]
    backtest = [errors_of(("a", 7, 1, 3.0), model="gru v2"), errors_of(("a", 6, 1, 4.0), model="gru v1")]
    backtest += [errors_of(("a", 5, 1, 5.0), model="gru-64"), errors_of(("a", 5, 1, 6.0), model="x")]
    published = [to_units(part, NO_ROWS, rows[0]) for part in rows]
    errors = EarlierErrors(published, to_units(pd.concat(backtest), NO_ROWS, NO_ROWS))
    assert errors.sample_of("gru", "gru v2", with_new=True).errors[:, 0].tolist() == [1.0, 3.0]
    assert errors.sample_of("gru", "gru v2", 3, with_new=True).errors[:, 0].tolist() == [1.0, 3.0, 4.0]
    assert errors.sample_of("gru", "gru v2", 9, with_new=True).errors[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert errors.sample_of("gru", "gru v2").errors[:, 0].tolist() == [3.0]


def test_newest_vintage_counts_and_an_older_one_fills_its_gaps() -> None:
    newest = to_units(errors_of(("a", 3, 1, 1.0), ("b", 3, 1, 5.0)), NO_ROWS, NO_ROWS)
    older = to_units(errors_of(("a", 3, 1, 9.0), ("a", 3, 2, 2.0)), NO_ROWS, NO_ROWS)
    sample = build_sample([newest, older], 3)
    nan = float("nan")
    assert sample.errors.reshape(-1).tolist() == pytest.approx([1.0, 2.0, nan, 5.0, nan, nan], nan_ok=True)


def test_new_anomaly_is_limited_where_new_errors_count() -> None:
    rows = errors_of(("a", 3, 1, 50.0), ("b", 3, 1, -2.0))
    errors = EarlierErrors([to_units(rows, NO_ROWS, rows[:1])], to_units(rows[:0], NO_ROWS, NO_ROWS))
    marked = errors.with_anomalies(rows.loc[:0, ["unique_id", "ds"]])
    assert marked.sample_of("gru", "gru", with_new=True).errors[:, 0].tolist() == [3.0, -2.0]
    assert marked.sample_of("gru", "gru").errors[:, 0].tolist() == [-2.0]


def test_nothing_earlier_gives_an_empty_sample() -> None:
    none = to_units(errors_of(), NO_ROWS, NO_ROWS)
    sample = EarlierErrors([], none).sample_of("gru", "gru", 5)
    assert (len(sample.errors), len(thin(sample, TIMES, 3).errors)) == (0, 0)
