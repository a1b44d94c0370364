"""Optuna as a source of recipes: the pipeline's own first, then what its sampler (TPE) makes of those before."""

from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from pydantic import ValidationError

from models.training.recipe import Recipe
from tasks.results.steps import TrialResult
from tasks.search.search_space import LogUniform, Space, max_work, recipe_of, searched_settings, work

ASKED = 50  # proposals for each trial, most of which may be too much work


class Sampler:
    """Ask for the next recipe, tell how it did; the same seed and the same answers give the same recipes."""

    def __init__(self, own: tuple[Recipe, ...], space: Space, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # the journal tells
        self.own, self.most = own, max_work(own)
        self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self.space = {name: _distribution(values) for name, values in space.items()}
        for recipe in own:
            self.study.enqueue_trial({name: searched_settings(recipe)[name] for name in space})

    def propose(self, count: int) -> Iterator[tuple[optuna.Trial, Recipe]]:
        """`count` recipes that are worth their work, each with the trial to `tell` about; fewer where none are left."""
        given = 0
        for number in range(ASKED * count):
            if given == count:
                return
            trial = self.study.ask(self.space)
            recipe = self.own[number] if number < len(self.own) else self._affordable(trial.params)
            if recipe is None:
                self.study.tell(trial, state=TrialState.FAIL)
            else:
                given += 1
                yield trial, recipe

    def _affordable(self, settings: dict[str, Any]) -> Recipe | None:
        try:
            recipe = recipe_of(settings, self.own[0])
        except ValidationError:  # settings that do not go together
            return None
        return recipe if work(recipe.model, recipe.view) <= self.most else None

    def tell(self, trial: optuna.Trial, tried: TrialResult) -> None:
        """Say how a recipe did, so that the next ones are better."""
        for epoch, loss in enumerate(tried.losses):
            trial.report(loss, epoch)
        states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self.study.tell(trial, tried.metric, states[tried.state])


def _distribution(values: tuple[Any, ...] | LogUniform) -> BaseDistribution:
    if isinstance(values, LogUniform):
        return FloatDistribution(values.low, values.high, log=True)
    return CategoricalDistribution(values)
