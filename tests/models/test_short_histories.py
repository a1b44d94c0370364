"""Intervals of a series with a few values: as wide as the errors that the model makes for other series cut so short."""

import numpy as np
import pytest

from models.baselines.seasonal import fit_baselines
from models.data.panel import Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import Predictor
from models.recalibration import apply_recalibration
from models.rolling_origins import RollingOrigins
from models.short_histories import fit_first_errors, history_lengths
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
HOURS, LONG, YOUNG, HORIZON = 24 * 40, 20, 20, 12


def shops(hours: int, count: int, seed: int) -> np.ndarray:
    """Sales of shops of different size over the day, from 1 at night to 9 at noon times their size, with noise."""
    draw = np.random.default_rng(seed)
    wave = 5 + 4 * np.sin(2 * np.pi * (np.arange(hours) - 6) / 24)
    sizes = np.exp(draw.normal(0, 0.5, (count, 1)))
    return sizes * wave * np.exp(draw.normal(0, 0.1, (count, hours)))


def panel_of_shops(build_panel, known: int) -> tuple[Panel, np.ndarray]:
    """A panel of old shops and of young ones with `known` hours up to the cutoff; what the young ones sell next."""
    values, young = shops(HOURS, LONG, 0), shops(HOURS + HORIZON, YOUNG, 1)
    series = {f"old {number:02d}": row.tolist() for number, row in enumerate(values)}
    start = dict.fromkeys(series, "2024-01-01")
    for number, row in enumerate(young):
        series[f"young {number:02d}"] = row[HOURS - known : HOURS].tolist()
        start[f"young {number:02d}"] = f"2024-02-09 {24 - known:02d}:00"
    panel = build_panel(series, lookback=48, horizon=HORIZON, freq="h", start=start)
    return panel, young[:, HOURS:]


@pytest.fixture(scope="module")
def train():
    def train(panel: Panel, kind: str):
        index = build_window_index(
            panel, WindowSpec(horizon=HORIZON, validation=120, test=120), panel.grid[HOURS - 1], 5
        )
        if kind != "network":
            fitted = fit_baselines(panel, index, panel.view, QUANTILES, (24,))
            return next(model for model in fitted if model.name == kind)
        training = TrainingSpec(max_epochs=3, windows_per_epoch=1024, learning_rate=0.01, threads=1)
        recipe = Recipe(model=RecurrentSpec(cell="gru", hidden=16, segment=12), training=training, quantiles=QUANTILES,
                        view=panel.view)  # fmt: skip
        return train_network(panel, index, recipe)[0]

    return train


@pytest.mark.parametrize("kind", ["network", "linear", "seasonal_naive_24", "naive"])
def test_series_with_one_hour_of_history_has_an_honest_interval(build_panel, train, kind: str) -> None:
    panel, actuals = panel_of_shops(build_panel, known=1)
    predictor = Predictor(train(panel, kind))
    series = np.arange(LONG, LONG + YOUNG)
    position = np.zeros(YOUNG, dtype=np.int64)
    everyone = np.arange(LONG + YOUNG)
    cutoffs = np.where(everyone < LONG, HOURS - 1, 0)
    ((_, fitted),) = RollingOrigins(predictor, panel).recalibrate(everyone, cutoffs)
    own = np.sort(predictor.quantiles(panel, series, position), axis=-1)
    mine = fitted.of([str(code) for code in series], [str(code) for code in everyone])
    published = apply_recalibration(own, mine, QUANTILES)
    inside = ((actuals >= published[..., 1]) & (actuals <= published[..., 3])).mean()
    assert inside >= 0.7
    assert (published[..., 2] == own[..., 2]).all()
    assert (fitted.size[:LONG] == 0).all()


def test_interval_is_narrower_the_longer_the_history(build_panel, train) -> None:
    panel, _ = panel_of_shops(build_panel, known=16)
    predictor = Predictor(train(panel, "linear"))
    errors = fit_first_errors(predictor, panel, np.arange(LONG), HOURS - 1)
    assert errors is not None
    widths = errors.relative[..., -1] + errors.relative[..., 0]
    assert widths[-1].mean() < 0.8 * widths[0].mean()
    assert (errors.relative[..., 2] == 0).all()


def test_length_counts_observations_up_to_the_cutoff(build_panel) -> None:
    values = np.ones(100)
    values[10:30] = np.nan
    panel = build_panel({"a": values.tolist(), "b": values.tolist()}, lookback=48, horizon=4, freq="h")
    series = np.zeros(6, dtype=np.int64)
    assert history_lengths(panel, series, np.array([0, 1, 5, 20, 45, 99])).tolist() == [0, 1, 2, 3, -1, -1]


def test_without_other_series_nothing_is_known(build_panel, train) -> None:
    panel, _ = panel_of_shops(build_panel, known=1)
    predictor = Predictor(train(panel, "naive"))
    assert fit_first_errors(predictor, panel, np.arange(0), HOURS - 1) is None
    assert fit_first_errors(predictor, panel, np.arange(LONG, LONG + YOUNG), HOURS - 1) is None


def test_values_after_the_cutoff_do_not_count(build_panel, train) -> None:
    panel, _ = panel_of_shops(build_panel, known=1)
    predictor, cutoff = Predictor(train(panel, "naive")), HOURS - 100
    before = fit_first_errors(predictor, panel, np.arange(LONG), cutoff)
    for start in panel.starts[:LONG]:
        panel.y[start + cutoff + 1 : start + HOURS] = 1e6
    after = fit_first_errors(predictor, panel, np.arange(LONG), cutoff)
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.relative, after.relative)
