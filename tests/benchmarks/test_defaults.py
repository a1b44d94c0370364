"""Part of `make bench-accuracy`: what a user gets who writes only `cell: lstm` or `cell: gru`, on rolling origins.

Beside it every baseline, and a plain network of the same cell and size, as a textbook has it: read step by step, scaled
by the mean and deviation of the training rows, no linear map, no seasons, no averaged weights.
"""

import pytest

from models.networks.recurrent import RecurrentSpec
from tests.benchmarks.rolling_origins import DATA, Night

pytestmark = pytest.mark.benchmark

PLAIN = {"skip": False, "blend": False, "seasons": False, "level": False, "segment": 1, "normalisation": "none"}


@pytest.mark.parametrize("name", DATA)
def test_the_default_beside_everything_simple(name: str, tmp_path, capsys) -> None:
    night = Night(DATA[name](tmp_path), tmp_path)
    bundles = {bundle.name: bundle for bundle in night.baselines()}
    for cell in ("lstm", "gru"):
        bundles[f"plain {cell}"] = night.trained(RecurrentSpec.model_validate({"cell": cell} | PLAIN), average=0.0)
        bundles[f"default {cell}"] = night.trained(RecurrentSpec.model_validate({"cell": cell}))
    found = night.scores(bundles)[["mase", "wql", "mae", "coverage"]].sort_values("mase")
    with capsys.disabled():
        print(f"\n{name}, rolling origins of the test part\n{found.round(4).to_string()}")
