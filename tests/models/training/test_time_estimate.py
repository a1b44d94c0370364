"""Estimate of the training time from a few timed steps."""

import numpy as np
import pandas as pd

from models.data.features import FeatureSpec
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowSpec, build_window_index
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.time_estimate import estimate_time
from models.training.training_spec import TrainingSpec


def test_estimate_spans_from_the_earliest_stop_to_the_last_epoch():
    hours = pd.date_range("2024-01-01", periods=240, freq="h", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": np.sin(np.arange(240.0) / 4)})
    view = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=3)
    panel = Panel.from_frame(frame, view)
    index = build_window_index(panel, WindowSpec(horizon=3, validation="2d", test="2d"), hours[-1], 6)
    training = TrainingSpec(max_epochs=12, patience=2, members=2)
    recipe = Recipe(model=RecurrentSpec(cell="gru", hidden=4), training=training, quantiles=(0.5,), view=view)
    estimate = estimate_time(panel, index, recipe)
    assert estimate.model == "gru-4"
    assert estimate.epoch_seconds > 0
    assert np.isclose(
        estimate.min_seconds, 3 * estimate.epoch_seconds * 2
    )  # patience 2 stops after the third epoch; two members
    assert np.isclose(estimate.max_seconds, 12 * estimate.epoch_seconds * 2)
