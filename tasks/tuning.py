"""Tuning: train one configuration and score it on the validation windows, in source units. `tune` tries many.

train ├──── learns ────┤ validation ├ o─ o─ o─ … ┤   test: not in any input
o: the cutoffs of the validation part at the hour of the night, like the origins of the test part

Early stopping and the intervals use the validation part too, in the same way for every configuration. So this loss
only selects a configuration and supports no other claim: the selected one is compared on the test part, once.
"""

import time
from typing import Literal

import numpy as np
import optuna
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.bundle import Bundle
from models.data.panel import InputSpec, Panel
from models.data.panel_table import PanelTable
from models.data.windows import WindowIndex
from models.training.fit import EpochReport
from models.training.recipe import Recipe
from models.training.train_network import train_network
from tasks.engine import run_log
from tasks.engine.step import step
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.finiteness import describe_nonfinite
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import forecast_table
from tasks.modeling.scores import mase_scales_before, score_forecasts
from tasks.modeling.size_limits import check_network_size
from tasks.modeling.training_data import load_training_part, training_part_digest, window_cutoffs
from tasks.results.steps import TrialResult
from tasks.storage.store import Store


class TrialSpec(Spec):
    """One configuration to try, and the median loss by epoch of the trials before it.

    `medians` is empty while too few trials are done. `label` is shown in the progress bar.
    """

    recipe: Recipe
    medians: tuple[float, ...] = ()
    label: str = ""

    def is_behind(self, losses: list[float]) -> bool:
        """Return whether to stop the trial: its best loss so far is above the median. Never after one epoch."""
        epoch = len(losses) - 1
        return (
            0 < epoch < len(self.medians)
            and not min(filter(np.isfinite, losses), default=np.inf) <= self.medians[epoch]
        )


def validation_origins(part: PanelTable, index: WindowIndex, view: InputSpec, max_origins: int) -> pd.DataFrame:
    """Choose rolling origins, spread evenly over the validation part.

    Args:
        part: The rows that models learn from, as `select_training_part` returns them.
        index: The windows over these rows.
        view: The inputs of the models; `phase` is the number of steps from one night to the next.
        max_origins: The largest number of origins.

    Returns:
        (unique_id, cutoff) of each window. All cutoffs are at the hour of the night, at which the part ends, if there
        are `max_origins` such cutoffs; otherwise at any hour.
    """
    rows = window_cutoffs(part, index, "validation")
    cutoffs = pd.DatetimeIndex(rows["cutoff"].unique()).sort_values()
    steps_to_end = len(part.times) - 1 - part.times.searchsorted(cutoffs)
    nightly = cutoffs[steps_to_end % view.phase == 0]
    eligible = nightly if len(nightly) >= max_origins else cutoffs
    chosen = eligible[np.linspace(0, len(eligible) - 1, min(len(eligible), max_origins)).astype(int)]
    return rows[rows["cutoff"].isin(chosen)].reset_index(drop=True)


class NotFinite(NightcastError):
    """A configuration gave a forecast that is not finite."""


def validation_loss(bundle: Bundle, part: PanelTable, origins: pd.DataFrame, setup: ForecastSetup) -> float:
    """Compute the evaluation metric over `origins`, (unique_id, cutoff).

    Returns:
        The metric; NaN if it is undefined.

    Raises:
        NotFinite: A forecast or quantile is not finite; the message names series and origin.
    """
    table = forecast_table(bundle, part, origins, setup.bounds)
    if problem := describe_nonfinite(table):
        raise NotFinite(problem)
    table["y"] = lookup_actuals(part, table["unique_id"], table["ds"])
    season = setup.evaluation.season or setup.view.season
    table["scale"] = table["unique_id"].map(mase_scales_before(part, origins["cutoff"].min(), season))
    return score_forecasts(table)[setup.evaluation.metric]


def trial_cache_key(
    clean: Artifact, windows: Artifact, trial: TrialSpec, setup: ForecastSetup, store: Store
) -> tuple[object, ...]:
    """Return what a trial depends on: neither the test part nor the label."""
    digest = training_part_digest(clean, windows, trial.recipe.view, store)
    return trial.recipe, trial.medians, setup, digest


@step(cache_key=trial_cache_key)
def try_out(clean: Artifact, windows: Artifact, trial: TrialSpec, setup: ForecastSetup, store: Store) -> TrialResult:
    """Train one configuration, and score it unless it falls behind the trials before it.

    Args:
        clean: The clean table. The test part is never read.
        windows: The windows table of `cut_windows`.
        trial: The configuration and the median losses of earlier trials.
        setup: The metric and the number of origins.
        store: The store that holds the tables.

    Returns:
        The losses by epoch and the metric. The state is `pruned` if the trial fell behind, and `failed` if the metric
        is not finite.

    Raises:
        TrainingFailed: If training does not find finite weights.
        NoSuchDevice: If the device of the settings does not exist on this machine.
        PrecisionNotSupported: If the device does not multiply the precision of the settings in hardware.
        SpecError: If the network does not fit the memory of the machine.
    """
    check_network_size(trial.recipe)
    started, losses, recipe = time.perf_counter(), list[float](), trial.recipe
    part, index = load_training_part(clean, windows, recipe.view, store)
    state: Literal["done", "pruned", "failed"] = "done"
    metric, note = None, ""
    with run_log.progress_bar(trial.label, recipe.training.max_epochs) as advance:

        def prune_if_behind(epoch: EpochReport) -> None:
            losses.append(epoch.validation_loss)
            advance(f"{recipe.model.name}, validation {epoch.validation_loss:.4f}")
            if trial.is_behind(losses):
                raise optuna.TrialPruned

        try:
            bundle, history = train_network(Panel.from_table(part, recipe.view), index, recipe, (prune_if_behind,))
        except optuna.TrialPruned:
            state = "pruned"
        else:
            origins = validation_origins(part, index, recipe.view, setup.evaluation.windows)
            try:
                metric, note = validation_loss(bundle, part, origins, setup), history.note
            except NotFinite as error:
                state, note = "failed", str(error)
    if metric is not None and not np.isfinite(metric):
        state, metric, note = "failed", None, f"its {setup.evaluation.metric} is not finite"
    seconds = round(time.perf_counter() - started, 2)
    return TrialResult(
        name=recipe.model.name, state=state, losses=tuple(losses), metric=metric, seconds=seconds, note=note
    )
