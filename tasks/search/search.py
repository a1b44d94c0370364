"""The search of `tune`: try one configuration after the other, prune those that fall behind, and stop in time.

Each trial is a cached step, and the next proposal depends only on the seed and on earlier trials. So a search that was
interrupted, or that is repeated with more trials, takes the finished trials from the store and continues.
"""

import json
import logging
import math
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from pydantic import Field, NonNegativeFloat, PositiveInt

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import SettingsSpec, Spec
from models.training.recipe import Recipe
from tasks.engine.failure import StepFailure
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.training_data import load_window_index
from tasks.results.steps import TrialResult
from tasks.search.sampler import Sampler
from tasks.search.search_space import build_search_space, flatten_settings, loss_unit
from tasks.storage.store import Store
from tasks.tuning import TrialSpec, try_out

log = logging.getLogger("nightcast")

MIN_FINISHED_TRIALS = 4  # finished trials that a median needs before a trial may be pruned


class SearchBudget(SettingsSpec):
    """How long to search. The pipeline's own models are always the first trials, whatever the budget."""

    trials: PositiveInt = 20
    minutes: NonNegativeFloat | None = Field(
        None, description="no trial starts later; the number of trials then depends on the machine"
    )
    seed: int = Field(0, ge=0, lt=2**32)


DEFAULT_BUDGET = SearchBudget()


class NothingTrained(NightcastError):
    """All trials of a search failed."""


class Trial(NamedTuple):
    """One configuration and its result."""

    recipe: Recipe
    result: TrialResult


class SearchResult(Spec):
    """The best configuration on the validation windows, and the pipeline's own, from which the search started.

    Losses are the evaluation metric on the validation windows. `trial_count` trials with the same `seed` give the same
    result: with a time limit, or after an interruption, it is smaller than the budget.
    """

    best: Recipe
    own: tuple[Recipe, ...]
    best_loss: float
    own_loss: float | None
    seed: int
    trial_count: int
    settings: tuple[str, ...]
    """Full names of the settings that were searched."""
    trials: Artifact
    ended: str

    @property
    def is_new(self) -> bool:
        """Whether the best configuration differs from the pipeline's own."""
        return self.best not in self.own

    @property
    def finalists(self) -> tuple[Recipe, ...]:
        """The configurations to compare on the test windows, the best first."""
        return tuple(dict.fromkeys((self.best, *self.own)))


def search(
    clean: Artifact,
    windows: Artifact,
    own: tuple[Recipe, ...],
    setup: ForecastSetup,
    budget: SearchBudget,
    store: Store,
) -> SearchResult:
    """Try configurations until the budget is used up or Ctrl-C is pressed.

    Args:
        clean: The clean table. The test part is never read.
        windows: The windows table of `cut_windows`.
        own: The pipeline's own recipes, which are the first trials.
        setup: The metric and the number of origins.
        budget: Number of trials, time limit and seed.
        store: The store that caches trials and takes the table of trials.

    Returns:
        The best configuration and the table of trials.

    Raises:
        NothingTrained: If all trials failed.
        KeyboardInterrupt: If Ctrl-C is pressed before a trial has finished.
    """
    started, trials, why = time.monotonic(), list[Trial](), ""
    space = build_search_space(own, load_window_index(windows, store).parts["train"])
    count, sampler = max(budget.trials, len(own)), Sampler(own, space, budget.seed)

    def time_is_up() -> bool:
        return budget.minutes is not None and time.monotonic() - started > 60 * budget.minutes

    try:
        for proposal, recipe in sampler.propose(count):
            if len(trials) >= len(own) and time_is_up():
                why = " until time was up"
                break
            medians = median_losses(trials, loss_unit(recipe.model)) if len(trials) >= len(own) else ()
            spec = TrialSpec(recipe=recipe, medians=medians, label=f"trial {len(trials) + 1}/{count}")
            outcome = try_out.attempt(clean, windows, spec, setup, store)
            trials.append(Trial(recipe, _trial_result(recipe, outcome)))
            sampler.tell(proposal, trials[-1].result)
    except KeyboardInterrupt:
        if not any(trial.result.state == "done" for trial in trials):
            raise
        why = " until it was interrupted"
        log.warning("Interrupted: continuing with the best of %d trials", len(trials))
    ended = f"{len(trials)} trial{'s' if len(trials) > 1 else ''}{why}"
    best_loss, own_loss, best = _best_trial(trials, len(own))
    return SearchResult(
        best=best.recipe,
        own=own,
        best_loss=best_loss,
        own_loss=own_loss if own_loss < float("inf") else None,
        seed=budget.seed,
        trial_count=len(trials),
        settings=tuple(space),
        trials=store.put(_trials_table(trials, tuple(space), setup.evaluation.metric), "trials"),
        ended=ended,
    )


def median_losses(trials: Sequence[Trial], unit: str) -> tuple[float, ...]:
    """Compute the median loss by epoch; a trial that stays above it is pruned.

    Args:
        trials: The trials so far.
        unit: Only finished trials whose loss has this unit count.

    Returns:
        Medians as far as MIN_FINISHED_TRIALS trials reached the epoch with a finite loss, (epochs,).
    """
    finished = [
        trial.result.losses
        for trial in trials
        if trial.result.state == "done" and loss_unit(trial.recipe.model) == unit
    ]
    epochs = max(map(len, finished), default=0)
    by_epoch = [
        [losses[epoch] for losses in finished if epoch < len(losses) and math.isfinite(losses[epoch])]
        for epoch in range(epochs)
    ]
    return tuple(statistics.median(losses) for losses in by_epoch if len(losses) >= MIN_FINISHED_TRIALS)


def _trial_result(recipe: Recipe, outcome: TrialResult | StepFailure) -> TrialResult:
    if isinstance(outcome, TrialResult):
        return outcome
    return TrialResult(name=recipe.model.name, state="failed", losses=(), note=outcome.reason)


def _best_trial(trials: list[Trial], own_count: int) -> tuple[float, float, Trial]:
    """Return the best loss, the best loss of the pipeline's own models (the first trials), and the best trial."""
    metrics = [trial.result.metric for trial in trials]
    losses = [metric if metric is not None and math.isfinite(metric) else math.inf for metric in metrics]
    best_loss = min(losses)
    if best_loss == float("inf"):
        raise NothingTrained(
            f"none of {len(trials)} trials could be trained and scored; the first: {trials[0].result.note}"
        )
    return best_loss, min(losses[:own_count]), trials[losses.index(best_loss)]


def _trials_table(trials: list[Trial], settings: tuple[str, ...], metric: str) -> pd.DataFrame:
    rows = [
        {
            "number": number,
            "name": trial.recipe.model.name,
            "settings": json.dumps({name: flatten_settings(trial.recipe)[name] for name in settings}),
            "metric": metric,
            **trial.result.model_dump(include={"state", "seconds", "note"}),
            "loss": trial.result.metric,
            "epochs": len(trial.result.losses),
        }
        for number, trial in enumerate(trials)
    ]
    return pd.DataFrame(rows).astype({"loss": "float64"})
