"""Tuning · one configuration → how good it is on the validation windows, in the source's units; `tune` tries many.

train ├──── learns ────┤ validation ├ o─ o─ o─ … ┤   test: is in none of the inputs
o: the cutoffs of the validation part at the hour of the night, as the origins of the test part are

Early stopping and the intervals look at the validation part too, for every configuration alike: that is why nothing
is claimed from this loss. It only chooses; what was chosen is judged on the test part, once.
"""

import time
from typing import Literal

import numpy as np
import optuna
import pandas as pd

from data_contracts.artifact import Artifact
from models.bundle import Bundle
from models.data.panel import InputSpec, Panel
from models.data.windows import WindowIndex
from models.training.fit import Epoch
from models.training.train_network import train_network
from tasks.engine import run_log
from tasks.engine.step import step
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import forecast_table
from tasks.modeling.scores import mase_scales_before, score_forecasts
from tasks.modeling.training_data import load_window_index, select_training_part, training_part_digest, window_cutoffs
from tasks.results.steps import TrialResult, TrialSpec
from tasks.storage.store import Store


def validation_origins(part: pd.DataFrame, index: WindowIndex, view: InputSpec, most: int) -> pd.DataFrame:
    """(unique_id, cutoff) of at most `most` cutoffs, evenly spread over the validation part.

    At the hour of the night, at which the part ends, where there are as many; else at any hour.
    """
    rows = window_cutoffs(part, index, "validation")
    steps, cutoffs = np.sort(part["ds"].unique()), np.sort(rows["cutoff"].unique())
    away = len(steps) - 1 - np.searchsorted(steps, cutoffs)
    nightly = cutoffs[away % view.phase == 0]
    offered = nightly if len(nightly) >= most else cutoffs
    chosen = offered[np.linspace(0, len(offered) - 1, min(len(offered), most)).astype(int)]
    return rows[rows["cutoff"].isin(chosen)].reset_index(drop=True)


def validation_loss(bundle: Bundle, part: pd.DataFrame, origins: pd.DataFrame, question: ForecastSetup) -> float:
    """The metric of the evaluation over `origins`; NaN where a forecast is not finite."""
    table = forecast_table(bundle, part, origins, question.bounds)
    table = table.merge(part[["unique_id", "ds", "y"]], "left", ["unique_id", "ds"])
    season = question.evaluation.season or question.view.season
    table["scale"] = table["unique_id"].map(mase_scales_before(part, origins["cutoff"].min(), season))
    return score_forecasts(table)[question.evaluation.metric]


def trial_cache_key(
    clean: Artifact, windows: Artifact, attempt: TrialSpec, question: ForecastSetup, store: Store
) -> tuple[object, ...]:
    """What a trial depends on: nothing of the test part, and not how it is called."""
    known = training_part_digest(clean, windows, attempt.recipe.view, store)
    return attempt.recipe, attempt.medians, question, known


@step(cache_key=trial_cache_key)
def try_out(
    clean: Artifact, windows: Artifact, attempt: TrialSpec, question: ForecastSetup, store: Store
) -> TrialResult:
    """Train one configuration, as far as it keeps up with those before. Raises TrainingFailed, as training does."""
    started, losses, recipe = time.perf_counter(), list[float](), attempt.recipe
    part, index = select_training_part(store.get(clean), load_window_index(windows, store), recipe.view)
    state: Literal["done", "pruned", "failed"] = "done"
    metric, note = None, ""
    with run_log.progress_bar(attempt.label, recipe.training.max_epochs) as advance:

        def told(epoch: Epoch) -> None:
            losses.append(epoch.validation_loss)
            advance(f"{recipe.model.name}, validation {epoch.validation_loss:.4f}")
            if attempt.is_behind(losses):
                raise optuna.TrialPruned

        try:
            bundle, history = train_network(Panel.from_frame(part, recipe.view), index, recipe, (told,))
        except optuna.TrialPruned:
            state = "pruned"
        else:
            origins = validation_origins(part, index, recipe.view, question.evaluation.windows)
            metric, note = validation_loss(bundle, part, origins, question), history.note
    if metric is not None and not np.isfinite(metric):
        state, metric, note = "failed", None, f"its {question.evaluation.metric} is not finite"
    seconds = round(time.perf_counter() - started, 2)
    return TrialResult(
        name=recipe.model.name, state=state, losses=tuple(losses), metric=metric, seconds=seconds, note=note
    )
