"""The search: try one configuration after the other, know which one is to be given up, and when to stop.

Each trial is a remembered step, and what comes next depends on the seed and on the trials before. So a search that was
interrupted, or is asked for more trials, takes what it has from the store and goes on from there.
"""

import json
import logging
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from pydantic import Field, NonNegativeFloat, PositiveInt

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.training.recipe import Recipe
from tasks.engine.failure import StepFailure
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.steps import TrialResult, TrialSpec
from tasks.search.sampler import Sampler
from tasks.search.search_space import build_search_space, loss_unit, searched_settings
from tasks.storage.store import Store
from tasks.tuning import try_out

log = logging.getLogger("nightcast")


MIN_FINISHED_TRIALS = 4  # finished trials before one that is behind is given up


class SearchBudget(Spec):
    """How long to search. The pipeline's own models are always tried, and are the first of the trials."""

    trials: PositiveInt = 20
    minutes: NonNegativeFloat | None = Field(None, description="no trial begins later; how many do is then chance")
    seed: int = Field(0, ge=0, lt=2**32)


DEFAULT_BUDGET = SearchBudget()


class NothingTrained(NightcastError):
    """Not one trial came to an end."""


class Trial(NamedTuple):
    """One configuration that was tried."""

    recipe: Recipe
    tried: TrialResult


class SearchResult(Spec):
    """The best configuration on the validation windows, and the one of the pipeline's own that it began with.

    Losses are the evaluation's metric on the validation windows. `asked` is the number of trials that gives the same
    again: with a time limit or an interruption fewer than were asked for.
    """

    best: Recipe
    own: tuple[Recipe, ...]
    best_loss: float
    own_loss: float | None
    asked: int
    searched: tuple[str, ...]
    trials: Artifact
    ended: str

    @property
    def found(self) -> bool:
        """Whether the best is another one than those it began with."""
        return self.best not in self.own

    @property
    def finalists(self) -> tuple[Recipe, ...]:
        """Who is to be judged on the test windows, the best first."""
        return tuple(dict.fromkeys((self.best, *self.own)))


def search(
    clean: Artifact,
    windows: Artifact,
    own: tuple[Recipe, ...],
    question: ForecastSetup,
    effort: SearchBudget,
    store: Store,
) -> SearchResult:
    """Try configurations until there are enough, time is up, or Ctrl-C. Raises NothingTrained where all failed."""
    began, trials, space = time.monotonic(), list[Trial](), build_search_space(own)
    count, proposals = max(effort.trials, len(own)), Sampler(own, space, effort.seed)
    why = ""

    def late(done: int) -> bool:
        return done >= len(own) and effort.minutes is not None and time.monotonic() - began > 60 * effort.minutes

    try:
        for asked, recipe in proposals.propose(count):
            if late(len(trials)):
                why = " until time was up"
                break
            medians = median_losses(trials, loss_unit(recipe.model)) if len(trials) >= len(own) else ()
            attempt = TrialSpec(recipe=recipe, medians=medians, label=f"trial {len(trials) + 1}/{count}")
            told = try_out.attempt(clean, windows, attempt, question, store)
            trials.append(Trial(recipe, _tried(recipe, told)))
            proposals.tell(asked, trials[-1].tried)
    except KeyboardInterrupt:
        if not any(trial.tried.state == "done" for trial in trials):
            raise
        why = " until it was interrupted"
        log.warning("Interrupted: going on with the best so far")
    ended = f"{len(trials)} trial{'s' if len(trials) > 1 else ''}{why}"
    return _searched(trials, own, tuple(space), ended, question, store)


def median_losses(trials: Sequence[Trial], unit: str) -> tuple[float, ...]:
    """The median loss of each epoch over the finished trials in the same unit, as far as `ENOUGH` of them came."""
    done = [one.tried.losses for one in trials if one.tried.state == "done" and loss_unit(one.recipe.model) == unit]
    reached = [
        [losses[epoch] for losses in done if epoch < len(losses)] for epoch in range(max(map(len, done), default=0))
    ]
    return tuple(statistics.median(losses) for losses in reached if len(losses) >= MIN_FINISHED_TRIALS)


def _tried(recipe: Recipe, told: TrialResult | StepFailure) -> TrialResult:
    return (
        told
        if isinstance(told, TrialResult)
        else TrialResult(name=recipe.model.name, state="failed", losses=(), note=told.reason)
    )


def _searched(
    trials: list[Trial],
    own: tuple[Recipe, ...],
    searched: tuple[str, ...],
    ended: str,
    question: ForecastSetup,
    store: Store,
) -> SearchResult:
    losses = [one.tried.metric if one.tried.metric is not None else float("inf") for one in trials]
    if min(losses) == float("inf"):
        raise NothingTrained(
            f"none of {len(trials)} trials could be trained and judged; the first: {trials[0].tried.note}"
        )
    best = trials[losses.index(min(losses))]
    theirs = min(losses[: len(own)])
    rows = [
        {
            "number": number,
            "name": one.recipe.model.name,
            "settings": json.dumps({name: searched_settings(one.recipe)[name] for name in searched}),
            "metric": question.evaluation.metric,
            **one.tried.model_dump(include={"state", "seconds", "note"}),
            "loss": one.tried.metric,
            "epochs": len(one.tried.losses),
        }
        for number, one in enumerate(trials)
    ]
    return SearchResult(
        best=best.recipe,
        own=own,
        best_loss=min(losses),
        own_loss=theirs if theirs < float("inf") else None,
        asked=len(trials),
        searched=searched,
        trials=store.put(pd.DataFrame(rows).astype({"loss": "float64"}), "trials"),
        ended=ended,
    )
