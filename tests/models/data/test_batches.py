"""Batches: windows normalised by their own lookback, and the inverse."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.data.batches import Batch
from models.data.collation import Scaling, WindowCollator
from models.data.features import FeatureSpec

SCALING = Scaling(known=np.zeros((2, 0)), observed=np.zeros((2, 0)), floor=0.1)
VALUES = st.floats(-1e9, 1e9, allow_subnormal=False) | st.just(float("nan"))


def one_batch(build_panel, values, scaling=SCALING, lags=(), **more):
    panel = build_panel({"a": values}, lookback=len(values) - 2, horizon=2, **more)
    collator = WindowCollator(len(values) - 2, 2, lags, scaling, ())
    return Batch.from_arrays(collator.collate(panel, np.array([0]), np.array([len(values) - 3])))


def test_window_is_normalised_by_its_own_mean_and_deviation(build_panel) -> None:
    batch = one_batch(build_panel, [1, 2, 3, 4, None, 6, 4])
    assert batch.location.item() == 2.5
    assert batch.scale.item() == pytest.approx(1.25**0.5)
    assert batch.past[0, :, 1].tolist() == [1, 1, 1, 1, 0]
    assert batch.past[0, 4, 0].item() == 0
    assert batch.linear[0, 4].item() == batch.linear[0, 3].item()


@given(y=arrays.arrays(float, 10, elements=VALUES))
def test_normalisation_is_invertible_and_finite(y) -> None:
    location, scale = SCALING.window_scale(y[None, :8], np.isfinite(y[None, :8]))
    assert np.isfinite([location, scale]).all()
    assert scale.item() > 0
    known = y[np.isfinite(y)]
    np.testing.assert_allclose((known - location[0]) / scale[0] * scale[0] + location[0], known, rtol=1e-9, atol=1e-3)


def test_scale_of_a_constant_window_is_the_floor_or_a_share_of_its_level(build_panel) -> None:
    assert one_batch(build_panel, [0, 0, 0, 0, 1, 1]).scale.item() == 0.1
    assert one_batch(build_panel, [50, 50, 50, 50, 1, 1]).scale.item() == 0.1
    assert one_batch(build_panel, [1e-3, 1e-3, 1e-3, 1e-3, 1, 1]).scale.item() == pytest.approx(5e-5)
    assert one_batch(build_panel, [None, None, None, None, 1, 1]).scale.item() == 0.1


@pytest.mark.parametrize("residue", [5.6e-17, 2.3e-308])
@pytest.mark.parametrize("pattern", [[1, 1, 1, 1], [0, 1, 0, -1]])
def test_rounding_error_does_not_become_the_scale(build_panel, residue: float, pattern) -> None:
    batch = one_batch(build_panel, [*(residue * step for step in pattern), 5, 5])
    assert batch.scale.item() == 0.1
    assert batch.target[0].tolist() == pytest.approx([50, 50])


def test_one_event_in_a_quiet_window_bounds_the_normalised_target(build_panel) -> None:
    batch = one_batch(build_panel, [0] * 99 + [1] + [3, 0])
    assert batch.target.abs().max().item() < 20


def test_missing_targets_stay_nan_and_missing_covariates_become_finite(build_panel) -> None:
    features = FeatureSpec(known=("plan",), observed=("wind",))
    scaling = Scaling(known=np.array([[0.0], [1.0]]), observed=np.array([[0.0], [1.0]]), floor=0.1)
    columns = {"plan": {"a": [1, 2, 3, 4, 5, 6]}, "wind": {"a": [1, None, 3, 4, None, None]}}
    batch = one_batch(build_panel, [1, 2, 3, 4, None, 6], scaling, features=features, **columns)
    assert batch.target.isnan()[0].tolist() == [True, False]
    assert batch.past.isfinite().all()
    assert batch.future[0, :, 0].tolist() == [5, 6]


def test_seasonal_lags_are_never_after_the_cutoff(build_panel) -> None:
    batch = one_batch(build_panel, [10, 20, 30, 40, 99, 99], lags=(1, 3))
    back = batch.future[0].double() * batch.scale[0] + batch.location[0]
    assert back[:, 0].round().tolist() == [40, 40]
    assert back[:, 2].round().tolist() == [20, 30]


def test_flipped_window_equals_the_window_of_the_negated_series(build_panel) -> None:
    waves = [np.sin(np.arange(60.0)) + 3.0, -np.sin(np.arange(60.0)) - 3.0]
    up, down = (build_panel({"a": wave.tolist()}, lookback=14, horizon=7) for wave in waves)
    collator = WindowCollator(14, 7, (7,), SCALING, ())
    windows = np.array([0, 0]), np.array([20, 40])
    flipped = Batch.from_arrays(collator.collate(up, *windows)).flip_sign(torch.tensor([False, True]), echoes=1)
    for name, value in vars(flipped).items():
        torch.testing.assert_close(
            value[:1], getattr(Batch.from_arrays(collator.collate(up, *windows)), name)[:1], msg=name
        )
        torch.testing.assert_close(
            value[1:], getattr(Batch.from_arrays(collator.collate(down, *windows)), name)[1:], msg=name
        )
