"""Propose recipes with Optuna: the pipeline's own first, then what its TPE sampler draws from earlier results."""

from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from pydantic import ValidationError

from models.training.recipe import Recipe
from tasks.results.steps import TrialResult
from tasks.search.search_space import LogUniform, Space, flatten_settings, max_work, override_settings, work_per_window

MAX_PROPOSALS_PER_TRIAL = 50  # most proposals may be too much work


class Sampler:
    """Propose the next recipe and learn from its result, as Optuna's ask and tell.

    The same seed and the same results give the same recipes.
    """

    def __init__(self, own: tuple[Recipe, ...], space: Space, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # the run log reports every trial
        self.own, self.max_work = own, max_work(own)
        self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self.space = {name: _distribution(values) for name, values in space.items()}
        for recipe in own:
            self.study.enqueue_trial({name: flatten_settings(recipe)[name] for name in space})

    def propose(self, count: int) -> Iterator[tuple[optuna.Trial, Recipe]]:
        """Yield up to `count` recipes below the largest work, each with the trial to pass to `tell`."""
        yielded = 0
        for number in range(MAX_PROPOSALS_PER_TRIAL * count):
            if yielded == count:
                return
            trial = self.study.ask(self.space)
            recipe = self.own[number] if number < len(self.own) else self._affordable(trial.params)
            if recipe is None:
                self.study.tell(trial, state=TrialState.FAIL)
            else:
                yielded += 1
                yield trial, recipe

    def _affordable(self, settings: dict[str, Any]) -> Recipe | None:
        try:
            recipe = override_settings(settings, self.own[0])
        except ValidationError:  # the sampler draws settings that contradict each other
            return None
        return recipe if work_per_window(recipe.model, recipe.view) <= self.max_work else None

    def tell(self, trial: optuna.Trial, result: TrialResult) -> None:
        """Report the result of a recipe, from which the next proposals are drawn."""
        for epoch, loss in enumerate(result.losses):
            trial.report(loss, epoch)
        states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self.study.tell(trial, result.metric, states[result.state])


def _distribution(values: tuple[Any, ...] | LogUniform) -> BaseDistribution:
    if isinstance(values, LogUniform):
        return FloatDistribution(values.low, values.high, log=True)
    return CategoricalDistribution(values)
