"""Part of `make bench-accuracy`: a board for each data set, mean and spread of three seeds on the test origins.

Models of Nightcast: seasonal naive, the linear map, and the default networks of a night. Peers: LightGBM through
mlforecast, and the LSTM of neuralforecast. All are trained on the same rows, without the test part, and forecast from
the same origins. MASE, WQL and CRPS are computed here for all; for the models of Nightcast, MASE, WQL and coverage also
with the medians and intervals that a night publishes, fitted to its newest errors. A peer without a named environment
is left out, with a line.

No table is published for these series and origins: `test_m4.py` and `test_accuracy.py` have the protocols of the
competition and of long horizons. Peers have settings of their own, not tuned: `peer_script.py`.
"""

import json
import resource
import time

import numpy as np
import pandas as pd
import pytest

from models.bundle import Bundle
from models.networks.architecture import RecurrentSpec
from tasks.modeling.choices import describe_choices
from tests.benchmarks.peers import ENVIRONMENTS, NAMES, run_peer
from tests.benchmarks.rolling_origins import DATA, RollingOrigins

pytestmark = pytest.mark.benchmark

SEEDS = (0, 1, 2)
PUBLISHED = ["published_mase", "published_wql", "published_coverage"]
METRICS = ["mase", "wql", *PUBLISHED, "crps", "coverage", "cpu_s", "peak_mib"]


def own_boards(origins: RollingOrigins) -> tuple[dict[str, list[dict[str, float]]], tuple[str, ...]]:
    """Score the baselines once, and the default networks once for each seed.

    Returns:
        The scores of each model, one dict for each seed, and what the LSTM of the last seed has chosen.
    """
    started = time.process_time()
    bundles = [{bundle.name: bundle for bundle in origins.baselines()}]
    seconds = dict.fromkeys(bundles[0], time.process_time() - started)
    for seed in SEEDS:
        trained: dict[str, Bundle] = {}
        for cell in ("lstm", "gru"):
            started = time.process_time()
            trained[f"default {cell}"] = origins.train(RecurrentSpec.model_validate({"cell": cell}), seed=seed)
            seconds[f"default {cell}"] = time.process_time() - started
        bundles.append(trained)
    rows: dict[str, list[dict[str, float]]] = {}
    for group in bundles:
        for name, scores in origins.scores(group, published=True).iterrows():
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rows.setdefault(str(name), []).append(dict(scores) | {"cpu_s": seconds[str(name)], "peak_mib": peak})
    return rows, describe_choices(trained["default lstm"])


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [name for name in DATA if name != "nyc-delays"])
def test_board(name: str, tmp_path, capsys) -> None:
    origins = RollingOrigins(DATA[name](tmp_path), tmp_path)
    (rows, choices), left_out = own_boards(origins), []
    for kind, python in ENVIRONMENTS.items():
        if python:
            rows[NAMES[kind]] = [run_peer(kind, origins, tmp_path, seed) for seed in SEEDS]
        else:
            left_out.append(NAMES[kind])
    mean = pd.DataFrame(
        {model: pd.DataFrame(scores).reindex(columns=METRICS).mean() for model, scores in rows.items()}
    ).T
    spread = pd.DataFrame(
        {model: pd.DataFrame(scores).reindex(columns=METRICS).std(ddof=0) for model, scores in rows.items()}
    ).T
    mean["mase ±"], mean["wql ±"] = spread["mase"], spread["wql"]
    table = mean[["mase", "mase ±", "wql", "wql ±", *METRICS[2:]]].sort_values("mase")
    with capsys.disabled():
        print(f"\n{name}, test origins, mean and spread of {len(SEEDS)} seeds\n{table.round(4).to_string()}")
        print("\n".join(choices))
        for model in left_out:
            print(f"without {model}: its variable NIGHTCAST_BENCH_… names no Python that has it")
        print(json.dumps({"benchmark": "board", "set": name, **table.round(4).to_dict("index")}))
    assert np.isfinite(table[["mase", "wql"]].loc["default lstm"]).all()
