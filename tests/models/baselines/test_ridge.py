"""Ridge regression: exact for a linear process, the last value if nothing is better."""

import numpy as np
import pytest

from models.baselines.ridge import fit_linear
from models.baselines.ridge_windows import linear_points
from models.data.panel import Panel
from models.data.windows import WindowSpec, build_window_index


def forecasts(panel: Panel, series: list[int], position: list[int], part: int = 14) -> np.ndarray:
    """Forecasts at these cutoffs of a ridge regression that was fitted on the panel."""
    spec = WindowSpec(horizon=panel.view.horizon, validation=part, test=part)
    index = build_window_index(panel, spec, panel.grid[int(panel.lengths.max()) - 1], 2)
    return linear_points(fit_linear(panel, index, panel.view), panel.view, panel, np.array(series), np.array(position))


@pytest.mark.parametrize("angle", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e9])
def test_linear_recurrence_is_forecast_exactly(build_panel, angle: float, size: float) -> None:
    # y_t = 2 cos(angle) y_{t-1} - y_{t-2} for every start
    y = [1.0, 0.2]
    for _ in range(298):
        y.append(2 * np.cos(angle) * y[-1] - y[-2])
    panel = build_panel({"a": (size * np.array(y)).tolist()}, lookback=8, horizon=3)
    np.testing.assert_allclose(forecasts(panel, [0], [296])[0] / size, y[297:300], atol=1e-3)


def test_series_of_different_shape_and_size_share_one_map(build_panel) -> None:
    days = np.arange(200)
    series = {"line": (3.5 * days).tolist(), "wave": (100 + 10 * np.sin(days)).tolist()}
    panel = build_panel(series, lookback=14, horizon=3)
    points = forecasts(panel, [0, 1], [196, 196])
    np.testing.assert_allclose(points, [panel.y[197:200], panel.y[397:400]], rtol=0.02)


def test_constant_series_after_a_trend_is_forecast_exactly(build_panel) -> None:
    panel = build_panel({"a": [*range(240), *[240] * 60]}, lookback=14, horizon=3)
    assert forecasts(panel, [0], [299], part=20).tolist() == [[240.0, 240.0, 240.0]]


@pytest.mark.parametrize(("sign", "size"), [(-1.0, 1.0), (1.0, 1e6), (-1.0, 1e-6)])
def test_sign_and_size_of_all_series_do_not_matter(build_panel, sign: float, size: float) -> None:
    y = np.sin(np.arange(200.0)) + np.random.default_rng(0).standard_normal(200)
    one, other = ({"a": (factor * y).tolist()} for factor in (1.0, sign * size))
    points = [forecasts(build_panel(series, lookback=14, horizon=3), [0], [196]) for series in (one, other)]
    np.testing.assert_allclose(points[1], sign * size * points[0], rtol=1e-6, atol=1e-6 * size)


def test_longer_lookback_is_read_if_the_history_carries_it(build_panel) -> None:
    # y repeats after 40 steps: the lookback of 16 does not reach so far, four times as many steps do
    cycle = np.random.default_rng(0).standard_normal(40)
    panel = build_panel({"a": np.tile(cycle, 10).tolist()}, lookback=16, horizon=3)
    np.testing.assert_allclose(forecasts(panel, [0], [396])[0], cycle[37:40], atol=0.01)


def test_short_history_is_forecast_by_a_map_of_the_lookback(build_panel) -> None:
    draw = np.random.default_rng(0)
    series = {name: (10 + draw.standard_normal(300)).tolist() for name in "abc"}
    panel = build_panel({**series, "new": series["a"][-20:]}, lookback=14, horizon=3)
    index = build_window_index(panel, WindowSpec(horizon=3, validation=30, test=30), panel.grid[299], 2)
    fitted = fit_linear(panel, index, panel.view)
    shapes = {name: weights.shape for name, weights in fitted.items() if name != "adjusted_loss"}
    assert shapes == {"weights": (57, 3), "weights.short": (15, 3)}
    within = fit_linear(panel, index, panel.view, factors=(1,))
    assert (within["weights"].shape, "weights.short" in within) == ((15, 3), False)
    new = np.array([panel.ids.index("new")]), np.array([16])
    points = linear_points(fitted, panel.view, panel, *new)
    past = panel.take(panel.y, *new, np.arange(-13, 1))[0]
    expected = past[-1] + (past - past[-1]) @ fitted["weights.short"][:-1]
    np.testing.assert_allclose(points[0], expected, rtol=1e-12)


def test_gaps_and_constants_give_finite_forecasts(build_panel) -> None:
    y = np.sin(np.arange(200.0))
    y[50:60] = np.nan
    panel = build_panel({"flat": [5.0] * 200, "gaps": y.tolist(), "zero": [0.0] * 200}, lookback=14, horizon=3)
    points = forecasts(panel, [0, 1, 2], [199, 60, 199])
    assert np.isfinite(points).all()
    np.testing.assert_allclose(points[0], 5.0, rtol=0.05)


def test_gap_in_every_target_still_gives_a_forecast(build_panel) -> None:
    # every fourth hour is missing: no target of six hours is complete
    y = np.sin(np.arange(300.0) * np.pi / 2 / 4) + 3
    y[::4] = np.nan
    panel = build_panel({"a": y.tolist()}, lookback=16, horizon=6)
    points = forecasts(panel, [0], [293])[0]
    known = np.isfinite(y[294:300])
    np.testing.assert_allclose(points[known], y[294:300][known], atol=0.3)


def seasonal_series(count: int = 12, hours: int = 600) -> dict[str, list[float]]:
    """Positive hourly series, each with a day and a week of its own, and noise."""
    draw, series = np.random.default_rng(3), {}
    for number in range(count):
        day, week = np.exp(0.5 * draw.standard_normal(24)), np.exp(0.5 * draw.standard_normal(168))
        steps = np.arange(hours)
        y = day[steps % 24] * week[steps % 168] * np.exp(0.1 * draw.standard_normal(hours))
        series[f"s{number:02d}"] = (10.0**number * y).tolist()
    return series


def fit_hourly(build_panel, series: dict[str, list[float]]) -> tuple[Panel, dict[str, np.ndarray]]:
    panel = build_panel(series, lookback=168, horizon=24, freq="h")
    steps = int(panel.lengths.max())
    index = build_window_index(panel, WindowSpec(horizon=24, validation=48, test=48), panel.grid[steps - 1], 2)
    return panel, fit_linear(panel, index, panel.view)


def test_seasons_of_their_own_are_taken_out_of_short_positive_series(build_panel) -> None:
    series = seasonal_series()
    panel, maps = fit_hourly(build_panel, series)
    assert maps["seasons"].tolist() == [24, 168]
    assert {name: values.shape for name, values in maps.items()} == {
        "weights": (169, 24), "weights.unadjusted": (169, 24), "seasons": (2,), "adjusted_loss": (1,)
    }  # fmt: skip
    assert maps["adjusted_loss"].item() < 0.9
    points = linear_points(maps, panel.view, panel, np.arange(12), np.full(12, 575))
    raw = {"weights": maps["weights.unadjusted"]}
    unadjusted = linear_points(raw, panel.view, panel, np.arange(12), np.full(12, 575))
    actual = panel.take(panel.y, np.arange(12), np.full(12, 575), np.arange(1, 25))
    errors, others = (np.abs(forecast / actual - 1).mean() for forecast in (points, unadjusted))
    assert errors < 0.9 * others


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_series_with_a_value_that_is_not_positive_are_not_adjusted(build_panel, value: float) -> None:
    series = seasonal_series()
    series["s00"][20] = value
    maps = fit_hourly(build_panel, series)[1]
    assert "seasons" not in maps
    assert np.isnan(maps["adjusted_loss"]).item()


def test_series_without_a_season_are_not_adjusted(build_panel) -> None:
    draw = np.random.default_rng(0)
    walks = {name: np.exp(0.02 * draw.standard_normal(600).cumsum()).tolist() for name in "abcdefgh"}
    maps = fit_hourly(build_panel, walks)[1]
    assert "seasons" not in maps
    assert maps["adjusted_loss"].item() > 0.98
