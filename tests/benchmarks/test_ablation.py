"""`make bench-ablation`: the effect of each option of a network, changed alone, on rolling origins of four data sets.

Options without a gain are off by default. Figures are of the validation part, because such choices must not use the
test part.
"""

import numpy as np
import pytest

from models.networks.architecture import RecurrentSpec
from tests.benchmarks.rolling_origins import DATA, RollingOrigins

pytestmark = pytest.mark.benchmark

CHANGES: dict[str, dict[str, object]] = {
    "as it is": {},
    "without skip": {"skip": False},
    "without blend": {"blend": False},
    "without seasons": {"seasons": False},
    "without level": {"level": False},
    "without normalisation": {"normalisation": "none"},
    "normalisation: last": {"normalisation": "last"},
    "segment: 1": {"segment": 1},
    "decoding: segment": {"decoding": "segment"},
    "decoding: recurrent": {"decoding": "recurrent"},
    "readout: attention": {"readout": "attention"},
    "attention: dot": {"readout": "attention", "attention": "dot"},
    "bidirectional": {"bidirectional": True},
    "layers: 2": {"layers": 2},
    "cycle of a week": {"cycle": 168},
    "head: student_t": {"head": "student_t"},
    "head: mae": {"head": "mae"},
}
TRAININGS: dict[str, dict[str, object]] = {
    "without average": {"average": 0.0},
    "mirror: 0.5": {"mirror": 0.5},
    "members: 3": {"members": 3},
    "schedule: cosine": {"schedule": "cosine"},
}
SEEDS = (0, 1)


@pytest.mark.parametrize("name", DATA)
def test_effect_of_each_option(name: str, tmp_path, capsys) -> None:
    origins = RollingOrigins(DATA[name](tmp_path), tmp_path)
    variants = {**{n: (c, {}) for n, c in CHANGES.items()}, **{n: ({}, t) for n, t in TRAININGS.items()}}
    with capsys.disabled():
        print(f"\n{name}, one GRU, mean of {len(SEEDS)} seeds on the validation part: MASE WQL")
        for change, (model, training) in variants.items():
            spec = RecurrentSpec.model_validate({"cell": "gru"} | model)
            bundles = {str(seed): origins.train(spec, seed=seed, **training) for seed in SEEDS}
            mase, wql = np.mean(origins.scores(bundles, "validation")[["mase", "wql"]], axis=0)
            print(f"{change:24}{mase:.4f} {wql:.4f}", flush=True)
