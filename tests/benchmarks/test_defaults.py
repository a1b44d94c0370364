"""Part of `make bench-accuracy`: the default networks (`cell: lstm`, `cell: gru`) on rolling origins.

Compared with all baselines and with a textbook network of the same cell and size: reads step by step, is scaled by the
mean and standard deviation of the training rows, and has no linear map, no seasonal lags and no averaged weights.
"""

import pytest

from models.networks.architecture import RecurrentSpec
from tests.benchmarks.rolling_origins import DATA, RollingOrigins

pytestmark = pytest.mark.benchmark

PLAIN = {"skip": False, "blend": False, "seasons": False, "level": False, "segment": 1, "normalisation": "none"}


@pytest.mark.parametrize("name", DATA)
def test_default_networks_vs_baselines_and_plain_networks(name: str, tmp_path, capsys) -> None:
    origins = RollingOrigins(DATA[name](tmp_path), tmp_path)
    bundles = {bundle.name: bundle for bundle in origins.baselines()}
    for cell in ("lstm", "gru"):
        bundles[f"plain {cell}"] = origins.train(RecurrentSpec.model_validate({"cell": cell} | PLAIN), average=0.0)
        bundles[f"default {cell}"] = origins.train(RecurrentSpec.model_validate({"cell": cell}))
    scores = origins.scores(bundles)[["mase", "wql", "mae", "coverage"]].sort_values("mase")
    with capsys.disabled():
        print(f"\n{name}, rolling origins of the test part\n{scores.round(4).to_string()}")
