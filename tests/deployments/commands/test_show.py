import pandas as pd
import pytest

from deployments.commands.show import format_steps, leaderboard_table, plot


def test_plot_scales_bars_to_the_largest_median():
    times = pd.date_range("2024-01-01", periods=4, freq="h", tz="UTC")
    rows = pd.DataFrame({"unique_id": "a", "ds": times, "y_hat": [0.0, 2.0, 4.0, 8.0], "source": "champion"})
    rows["model_name"] = "gru-64"
    assert "median  ▂▄█" in plot(rows, "UTC")


def test_plot_of_zeros_has_no_bars():
    times = pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC")
    rows = pd.DataFrame(
        {"unique_id": "a", "ds": times, "y_hat": [0.0, 0.0], "source": "linear", "model_name": "linear"}
    )
    assert "Series a" in plot(rows, "Europe/Berlin")
    assert plot(rows, "Europe/Berlin").count("linear") == 1  # a baseline is its own source


def forecasts(times: pd.DatetimeIndex, values: list[float]) -> pd.DataFrame:
    rows = pd.DataFrame({"unique_id": "a", "ds": times, "y_hat": values, "source": "linear", "model_name": "linear"})
    return rows.assign(q05=rows["y_hat"] * 0.5, q95=rows["y_hat"] * 2)


def test_years_and_months_are_shown_by_their_dates() -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="YS", tz="UTC")
    text = plot(forecasts(times, [1.0, 2.0, 3.0]), "UTC")
    assert "Series a, Mon 01 Jan 2024 to Thu 01 Jan 2026 (UTC), linear" in text
    assert "  01 Jan 2025  y_hat     2.00  q05     1.00  q95     4.00" in text


def test_hours_are_shown_with_their_time_of_day() -> None:
    times = pd.date_range("2024-01-01 22:00", periods=2, freq="h", tz="UTC")
    text = plot(forecasts(times, [1.0, 2.0]), "Europe/Berlin")
    assert "Series a, Mon 01 Jan 2024 23:00 to Tue 02 Jan 00:00 (Europe/Berlin), linear" in text
    assert "  01 Jan 23:00  y_hat     1.00" in text


def test_days_of_a_zone_are_shown_by_their_dates() -> None:
    times = pd.DatetimeIndex(["2024-03-30T23:00Z", "2024-03-31T22:00Z"])
    assert "Sun 31 Mar 2024 to Mon 01 Apr 2024 (Europe/Berlin)" in plot(forecasts(times, [1.0, 2.0]), "Europe/Berlin")


@pytest.mark.parametrize(
    ("values", "shown"),
    [([1.5e-9, 2e-9], "1.5e-09"), ([2.5e12, 1e12], "2.5e+12"), ([0.01234, 0.02], "0.01234"), ([-250.5, 9], "-250.50")],
)
def test_numbers_of_any_size_are_shown(values: list[float], shown: str) -> None:
    times = pd.date_range("2024-01-01", periods=2, freq="D", tz="UTC")
    assert shown in plot(forecasts(times, values), "UTC")


def test_scores_of_any_size_are_shown() -> None:
    row = {"model_name": "naive", "role": "baseline", "mae": 1.234e-9, "rmse": 2.5e12, "wql": 0.00312, "mase": 0.0}
    text = leaderboard_table({"pipeline": "p", "metric": "mase", "leaderboard": [row]})
    assert all(number in text for number in ("1.23e-09", "2.50e+12", "0.00312", "0.000"))


def test_seconds_of_each_step_are_shown_and_cached_steps_are_named():
    steps = [
        {"step": "ingest", "outcome": "ran", "seconds": 0.664},
        {"step": "train", "outcome": "ran", "seconds": 34.18},
        {"step": "validate", "outcome": "cached", "seconds": 0.01},
    ]
    assert format_steps(steps) == "\nSteps         34.9 s in all; ingest 0.7 s, train 34.2 s; cached: validate"
    assert format_steps([]) == ""


def test_leaderboard_shows_missing_score_as_dash():
    row = {"model_name": "naive", "role": "baseline", "mase": None, "wql": 0.5}
    assert "–" in leaderboard_table({"pipeline": "ports", "metric": "mase", "leaderboard": [row]})


def test_numbers_of_the_leaderboard_are_whole_beside_a_long_name() -> None:
    row = {
        "role": "challenger",
        "mase": 0.5936,
        "wql": 0.376,
        "mae": 0.297,
        "rmse": 0.846,
        "smape": 30.162,
        "coverage": 0.988,
    }
    name = "gru-32x3-s6-bi-att-segment-no_seasons-d20 (tuned)"
    text = leaderboard_table({"pipeline": "p", "metric": "mase", "leaderboard": [row | {"model_name": name}]})
    assert "…" not in text
    assert all(number in text for number in ("challenger", "0.594", "0.376", "30.162", "0.988"))
