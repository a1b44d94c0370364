"""Sentences on what training has chosen: the shares of the median, and the seasonal adjustment."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from models.bundle import Bundle, RecurrentSettings, TrainingRecord
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.modeling.choices import describe_choices

VIEW = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=168, horizon=24)


def bundle_of(record: Mapping[str, object] = {}, **maps: np.ndarray) -> Bundle:
    settings = RecurrentSettings(
        view=VIEW, quantiles=(0.5,), whole=False, model={}, shape={}, training=TrainingRecord(threads=1), members=1,
        lags=(), vocabulary=(), floor=1.0, target=(0.0, 1.0),
    ).model_copy(update=dict(record))  # fmt: skip
    shares = {"share": np.array([0.35]), "share.last": np.array([0.05])}
    tensors = {f"linear.{name}": values for name, values in maps.items()}
    return Bundle("lstm-64", "recurrent", settings, shares | tensors)


def test_shares_and_steps_of_the_map_are_stated() -> None:
    first, second = describe_choices(bundle_of(weights=np.zeros((673, 24))))
    assert first.startswith("The median is 60% network, 35% linear map and 5% last value")
    assert "up to 672 steps" in first
    assert second.startswith("Windows are not seasonally adjusted")


def test_share_of_the_seasonal_median_is_stated() -> None:
    bundle = bundle_of(weights=np.zeros((673, 24)))
    mean = {"share.seasonal": np.array([0.1]), "median.seasons": np.array([168, 8])}
    first, _ = describe_choices(replace(bundle, tensors=bundle.tensors | mean))
    assert first.startswith(
        "The median is 50% network, 35% linear map, 5% last value and 10% median of 8 seasons (168 steps): the shares"
    )


def test_shares_by_series_are_stated() -> None:
    bundle = bundle_of({"series_shares": ("a", "b")}, weights=np.zeros((673, 24)))
    own = {"share.series": np.array([[0.2, 0.0, 0.0], [0.4, 0.5, 0.0]])}
    _, second, _ = describe_choices(replace(bundle, tensors=bundle.tensors | own))
    assert second.startswith("2 series have shares of their own, 10% to 80% network: they make the error smaller")


SEASONS = np.array([24, 168])


def test_adjustment_names_its_seasons_and_its_gain() -> None:
    bundle = bundle_of({"adjustment": (24, 168), "adjusted_loss": 0.93}, weights=np.zeros((169, 24)), seasons=SEASONS)
    sentence = describe_choices(bundle)[1]
    assert sentence.startswith("Windows are divided by their seasonal index (24, 168 steps), because the map then has")
    assert "an error that is 7% smaller on the validation part" in sentence


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("one_series", "The network does not: it is trained on one series"),
        ("many_cycles", "The network does not: it has seen more than 20 cycles"),
        ("common", "The network does not: at least 50% of the season is common"),
        ("source_units", "The network does not: its normalisation or its head"),
        (None, "The network does not."),
    ],
)
def test_reason_of_a_network_that_is_not_adjusted_is_named(reason: str | None, words: str) -> None:
    bundle = bundle_of({"not_adjusted": reason, "adjusted_loss": 0.93}, weights=np.zeros((169, 24)), seasons=SEASONS)
    sentence = describe_choices(bundle)[1]
    assert sentence.startswith(
        "Only the map reads windows divided by their seasonal index (24, 168 steps), with an error"
    )
    assert words in sentence


@pytest.mark.parametrize(
    ("reason", "loss", "words"),
    [
        ("not_positive", None, "Windows are not seasonally adjusted: a value of the training part is 0 or below."),
        ("no_season", None, "Windows are not seasonally adjusted: their frequency has no season that is short enough."),
        ("no_gain", 1.034, "the validation part is 3.4% larger, and at least 2% smaller is asked for."),
        ("no_gain", 0.99, "the validation part is 1.0% smaller, and at least 2% smaller is asked for."),
        (None, None, "Windows are not seasonally adjusted."),
    ],
)
def test_reason_of_a_map_that_is_not_adjusted_is_named(reason: str | None, loss: float | None, words: str) -> None:
    bundle = bundle_of({"not_adjusted": reason, "adjusted_loss": loss}, weights=np.zeros((169, 24)))
    assert describe_choices(bundle)[1].endswith(words)


def test_network_without_a_map_has_made_no_choice() -> None:
    assert describe_choices(bundle_of()) == ()
