"""`make bench-ablation`: what each option of a network is worth, changed alone, on rolling origins of four data sets.

Options that do not pay are off by default. Figures are of the validation part, where such choices belong.
"""

import numpy as np
import pytest

from models.networks.recurrent import RecurrentSpec
from tests.benchmarks.rolling_origins import DATA, Night

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
def test_each_option_changed_alone(name: str, tmp_path, capsys) -> None:
    night = Night(DATA[name](tmp_path), tmp_path)
    named = {**{n: (c, {}) for n, c in CHANGES.items()}, **{n: ({}, t) for n, t in TRAININGS.items()}}
    with capsys.disabled():
        print(f"\n{name}, one GRU, mean of {len(SEEDS)} seeds on the validation part: MASE WQL")
        for change, (model, training) in named.items():
            spec = RecurrentSpec.model_validate({"cell": "gru"} | model)
            bundles = {str(seed): night.trained(spec, seed=seed, **training) for seed in SEEDS}
            mase, wql = np.mean(night.scores(bundles, "validation")[["mase", "wql"]], axis=0)
            print(f"{change:24}{mase:.4f} {wql:.4f}", flush=True)
