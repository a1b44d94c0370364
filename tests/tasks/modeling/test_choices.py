"""Sentences on what training has chosen: the shares of the median, and the seasonal adjustment."""

import numpy as np
import pytest

from models.bundle import Bundle, RecurrentSettings, TrainingRecord
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.modeling.choices import describe_choices

VIEW = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=168, horizon=24)


def bundle_of(adjustment: tuple[int, ...] = (), **maps: np.ndarray) -> Bundle:
    settings = RecurrentSettings(
        view=VIEW, quantiles=(0.5,), whole=False, model={}, shape={}, training=TrainingRecord(threads=1), members=1,
        lags=(), vocabulary=(), floor=1.0, target=(0.0, 1.0), adjustment=adjustment,
    )  # fmt: skip
    shares = {"share": np.array([0.35]), "share.last": np.array([0.05])}
    tensors = {f"linear.{name}": values for name, values in maps.items()}
    return Bundle("lstm-64", "recurrent", settings, shares | tensors)


def test_shares_and_steps_of_the_map_are_stated() -> None:
    first, second = describe_choices(bundle_of(weights=np.zeros((673, 24))))
    assert first.startswith("The median is 60% network, 35% linear map and 5% last value")
    assert "up to 672 steps" in first
    assert second.startswith("Windows are not seasonally adjusted")


@pytest.mark.parametrize(
    ("adjustment", "begin"),
    [((24, 168), "Windows are divided by their seasonal index (24, 168 steps)"), ((), "Only the map reads windows")],
)
def test_adjustment_names_its_seasons(adjustment: tuple[int, ...], begin: str) -> None:
    bundle = bundle_of(adjustment, weights=np.zeros((169, 24)), seasons=np.array([24, 168]))
    assert describe_choices(bundle)[1].startswith(begin)


def test_network_without_a_map_has_made_no_choice() -> None:
    assert describe_choices(bundle_of()) == ()
