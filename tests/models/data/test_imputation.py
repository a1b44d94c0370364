"""Gaps inside a window: the values of each policy, and independence of everything after the cutoff."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.data.features import FeatureSpec
from models.data.imputation import fill_gaps
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.predict import predict
from models.training.recipe import Recipe
from models.training.train_network import train_network
from models.training.training_spec import TrainingSpec

GAP = float("nan")
WINDOW = [GAP, 1.0, 2.0, GAP, GAP, 8.0, GAP, GAP]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", WINDOW),
        ("zero", [0, 1, 2, 0, 0, 8, 0, 0]),
        ("forward", [GAP, 1, 2, 2, 2, 8, 8, 8]),
        ("interpolate", [GAP, 1, 2, 4, 6, 8, 8, 8]),
        ("season", [GAP, 1, 2, 2, 1, 8, 8, 1]),
    ],
)
def test_policy_fills_gaps(policy, expected) -> None:
    np.testing.assert_array_equal(fill_gaps(np.array([WINDOW]), policy, 3), [expected])


@given(
    values=arrays.arrays(float, (3, 12), elements=st.floats(-1e6, 1e6) | st.just(GAP)),
    policy=st.sampled_from(["none", "zero", "forward", "interpolate", "season"]),
    season=st.integers(1, 15),
)
def test_known_values_stay_and_filled_values_lie_between_them(values, policy, season) -> None:
    filled = fill_gaps(values, policy, season)
    known = np.isfinite(values)
    np.testing.assert_array_equal(filled[known], values[known])
    for row, result in zip(values, filled, strict=True):
        seen = row[np.isfinite(row)]
        new = result[np.isfinite(result) & ~np.isfinite(row)]
        if policy == "zero":
            assert not np.isnan(result).any()
        elif len(seen):
            assert ((new >= seen.min() - 1e-6) & (new <= seen.max() + 1e-6)).all()
            assert policy == "none" or not np.isnan(result[np.isfinite(row).argmax() :]).any()


def panel(build_frame, tail: float, fill) -> Panel:
    """Two weeks of hours with gaps in y and wind; the last twelve values are `tail`."""
    hours = np.arange(24 * 14)
    y = np.where(hours % 7 == 3, np.nan, 10 + 5 * np.sin(hours / 24 * 2 * np.pi))
    y[-12:] = tail
    wind = np.where(hours % 5 == 2, np.nan, np.cos(hours / 24 * 2 * np.pi))
    wind[-12:] = tail
    frame = build_frame({"a": y}, freq="h", wind={"a": wind})
    features = FeatureSpec(known=("hour",), observed=("wind",))
    view = InputSpec(features=features, freq="h", zone="UTC", lookback=24, horizon=12, fill=tuple(fill.items()))
    return Panel.from_frame(frame, view)


@pytest.mark.parametrize("policy", ["none", "zero", "forward", "interpolate", "season"])
def test_forecast_from_filled_gaps_does_not_depend_on_values_after_its_cutoff(build_frame, policy) -> None:
    fill = {"y": policy, "wind": policy}
    before, after = (panel(build_frame, tail, fill) for tail in (11.0, 1e9))
    training = TrainingSpec(max_epochs=1, windows_per_epoch=64, batch_size=32)
    model = RecurrentSpec(cell="gru", hidden=4, segment=6)
    spec = WindowSpec(lookback=24, horizon=12, validation="2d", test="2d")
    index = build_window_index(before, spec, before.grid[24 * 14 - 13], origins=5)
    recipe = Recipe(model=model, training=training, quantiles=(0.5,), view=before.view)
    bundle, _ = train_network(before, index, recipe)
    cutoffs = np.arange(24 * 13, 24 * 14 - 12)  # several of them are in a gap
    series = np.zeros(len(cutoffs), dtype=int)
    np.testing.assert_array_equal(predict(bundle, before, series, cutoffs), predict(bundle, after, series, cutoffs))
    assert bundle.recurrent.filling.gappy_observed == (0,)


def test_input_spec_with_policies_is_hashable() -> None:
    view = InputSpec(features=FeatureSpec(), freq="h", zone="UTC", lookback=24, horizon=12, fill=(("y", "season"),))
    assert {view: 1}[view.model_copy()] == 1
    assert (view.fill_of("y"), view.fill_of("wind")) == ("season", "none")
