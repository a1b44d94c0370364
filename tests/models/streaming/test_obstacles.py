"""What is said about a network that cannot, and one that can, go on from a kept state."""

import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.networks.architecture import RecurrentSpec
from models.streaming.obstacles import describe_streaming, list_obstacles


def view_of(fill: tuple[tuple[str, str], ...] = (), **features: tuple[str, ...]) -> InputSpec:
    return InputSpec(features=FeatureSpec(**features), freq="h", zone="UTC", lookback=24, horizon=6, fill=fill)


@pytest.mark.parametrize(
    ("options", "view", "reasons"),
    [
        ({}, view_of(), []),
        ({"segment": 4, "layers": 3, "cycle": 24}, view_of(fill=(("y", "zero"),)), []),
        ({"normalisation": "standard"}, view_of(), ["normalisation `standard` shifts"]),
        ({"normalisation": "last"}, view_of(), ["normalisation `last` shifts"]),
        ({"bidirectional": True}, view_of(), ["a bidirectional encoder"]),
        ({"readout": "attention"}, view_of(), ["attention reads"]),
        ({}, view_of(known=("hour",)), []),
        (
            {},
            view_of(known=("price",), observed=("wind",)),
            ["covariates are scaled by their own lookback (price, wind)"],
        ),
        ({}, view_of(fill=(("y", "interpolate"),)), ["gaps are filled from other steps of the window (`interpolate`)"]),
        ({"bidirectional": True, "readout": "attention"}, view_of(), ["a bidirectional", "attention"]),
    ],
)
def test_obstacles_are_named(options, view, reasons):
    spec = RecurrentSpec(cell="gru", hidden=8, **({"normalisation": "none"} | options))
    found = list_obstacles(spec, view)
    assert len(found) == len(reasons)
    assert all(sentence.startswith(reason) for sentence, reason in zip(found, reasons, strict=True))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"normalisation": "none", "segment": 1},
            "gru-8-none can go on from a kept state at each step (--state carried)",
        ),
        (
            {"normalisation": "none", "segment": 4},
            "gru-8-s4-none can go on from a kept state at the end of each segment of 4 steps (--state carried)",
        ),
        (
            {"segment": 1},
            "gru-8 reads its lookback again for each observation: normalisation `standard` shifts and scales a window "
            "by all of its lookback",
        ),
    ],
)
def test_check_says_how_an_observation_is_taken(options, sentence):
    assert describe_streaming(RecurrentSpec(cell="gru", hidden=8, **options), view_of()) == sentence
