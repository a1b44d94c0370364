"""Fit the baselines of a backtest on what was known at one origin."""

from data_contracts.artifact import Artifact
from tasks.engine.step import step
from tasks.modeling.baselines import store_baselines
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.training_data import load_training_part
from tasks.storage.store import Store


def select_shown(fitted: tuple[Candidate, ...], reference: str, shows_all: bool) -> tuple[Candidate, ...]:
    """Select the baselines whose scores are shown.

    Args:
        fitted: All baselines.
        reference: Name of the baseline that OWA compares with, which is always shown.
        shows_all: Whether the others are shown too.

    Returns:
        The baselines, in the same order.
    """
    return tuple(model for model in fitted if shows_all or model.name == reference)


@step
def fit_references(clean: Artifact, windows: Artifact, setup: ForecastSetup, store: Store) -> tuple[Candidate, ...]:
    """Fit every baseline on the part of a clean table that models are trained on.

    Args:
        clean: The clean table, as it was known at the origin.
        windows: Its windows table of `cut_windows`.
        setup: Inputs and outputs that the baselines share with the models.
        store: The store that takes the bundles.

    Returns:
        A candidate per baseline: naive, seasonal naive, seasonal mean, linear.
    """
    return tuple(store_baselines(*load_training_part(clean, windows, setup.view, store), setup, store))
