"""Part of `make bench-accuracy`: the weekly series of the M4 competition, its test rows and its scores.

The default networks of a night are trained as of the last training row, with the part that a night holds back, and
forecast 13 weeks of 359 series once. sMAPE, MASE and OWA are those of the competition: the season is 1, and OWA is
relative to its Naive2, which is the last value for weekly series. Each network is trained with three seeds.

Published: Makridakis et al. 2020 (International Journal of Forecasting 36). Entries of the competition had not seen the
test rows; later tables chose settings on them.
"""

import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.bundle import Bundle
from models.networks.architecture import RecurrentSpec
from tasks.modeling.forecasts import forecast_table
from tasks.modeling.scores import mase_scales_before
from tasks.modeling.training_data import window_cutoffs
from tests.benchmarks.rolling_origins import SHARED, RollingOrigins, m4_weekly

pytestmark = pytest.mark.benchmark

SEEDS = (0, 1, 2)
PUBLISHED = {
    "ES-RNN, first of M4": (7.817, 2.356, 0.851),
    "FFORMA, second of M4": (7.625, 2.108, 0.796),
    "Naive2 of M4": (9.161, 2.777, 1.0),
}  # sMAPE, MASE, OWA


def competition_scores(origins: RollingOrigins, bundle: Bundle) -> tuple[float, float]:
    """Forecast the 13 weeks after the training rows; return sMAPE and MASE, means over series."""
    windows = window_cutoffs(origins.table, origins.index, "forecast")
    table = forecast_table(bundle, origins.table, windows, origins.spec.forecast_setup.bounds)
    forecasts = table.sort_values(["unique_id", "ds"]).groupby("unique_id")["y_hat"].apply(np.asarray)
    scales = mase_scales_before(origins.table, windows["cutoff"].max() + pd.Timedelta(days=1), season=1)
    actuals = pd.read_csv(SHARED / "m4_weekly" / "Weekly-test.csv", index_col=0)
    errors = [
        (metrics.smape(y, forecasts[name]), metrics.mase(y, forecasts[name], scales[name]))
        for name, y in zip(actuals.index, actuals.to_numpy(), strict=True)
    ]
    smape, mase = np.mean(errors, axis=0)
    return float(smape), float(mase)


@pytest.mark.timeout(7200)
def test_m4_weekly_as_in_the_competition(tmp_path, capsys) -> None:
    origins = RollingOrigins(m4_weekly(tmp_path), tmp_path)
    trained = {bundle.name: [bundle] for bundle in origins.baselines() if bundle.name in ("naive", "linear")}
    for cell in ("lstm", "gru"):
        spec = RecurrentSpec.model_validate({"cell": cell})
        trained[f"default {cell}"] = [origins.train(spec, seed=seed) for seed in SEEDS]
    scores = {name: [competition_scores(origins, bundle) for bundle in bundles] for name, bundles in trained.items()}
    smape, mase = scores["naive"][0]
    rows = {}
    for name, values in scores.items():
        owa = [(own_smape / smape + own_mase / mase) / 2 for own_smape, own_mase in values]
        rows[name] = (*np.mean(values, axis=0), np.mean(owa), np.std(owa))
    rows |= {name: (*values, np.nan) for name, values in PUBLISHED.items()}
    table = pd.DataFrame(rows, index=["smape", "mase", "owa", "owa ±"]).T.sort_values("owa")
    with capsys.disabled():
        print(f"\nm4 weekly, protocol of the competition\n{table.round(4).to_string()}")
