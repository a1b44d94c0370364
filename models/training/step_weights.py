"""Weights of the errors of the steps of a horizon in training."""

import numpy as np

from models.training.training_spec import StepWeights


def step_weights(kind: StepWeights, horizon: int) -> np.ndarray:
    """Compute the weight of the errors of each step.

    Late steps of a long horizon are mostly noise, and there are many of them: with less weight on them, the network
    learns more from the steps that can be forecast.

    Args:
        kind: `equal`, or `decreasing`: 1 + pi / 4 - arctan(step) (xPatch, Stitsyuk and Choi 2024, arXiv 2412.17323).
        horizon: Steps.

    Returns:
        Positive weights (horizon,) with mean 1.
    """
    if kind == "equal":
        return np.ones(horizon)
    weights = 1 + np.pi / 4 - np.arctan(np.arange(1, horizon + 1))
    return np.asarray(weights / weights.mean())
