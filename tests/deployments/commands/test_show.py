import pandas as pd

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
