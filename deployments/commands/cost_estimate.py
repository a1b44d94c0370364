"""Estimates what a night costs on this machine, from a few timed training steps."""

from collections.abc import Sequence
from typing import Any

from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.training.recipe import Recipe


def estimate_costs(panel: Panel, index: WindowIndex, recipes: Sequence[Recipe], read_seconds: float) -> dict[str, Any]:
    """Return seconds as measured to read and validate, and as estimated to train each model.

    Args:
        panel: the validated history.
        index: its windows.
        recipes: the models to time; a few steps of each are trained.
        read_seconds: measured time to read and validate.

    Returns:
        read_seconds, training_seconds [least, most], and per model its seconds per epoch and [least, most].
    """
    from models.training.time_estimate import estimate_time  # loads torch

    estimates = [estimate_time(panel, index, recipe) for recipe in recipes]
    return {
        "read_seconds": round(read_seconds, 2),
        "training_seconds": [
            round(sum(estimate.min_seconds for estimate in estimates), 1),
            round(sum(estimate.max_seconds for estimate in estimates), 1),
        ],
        "models": [
            {
                "model": estimate.model,
                "epoch_seconds": round(estimate.epoch_seconds, 2),
                "seconds": [round(estimate.min_seconds, 1), round(estimate.max_seconds, 1)],
            }
            for estimate in estimates
        ],
    }


def format_costs(cost: dict[str, Any]) -> str:
    """Return one line: the estimated training time, the slowest model, and how the estimate was made."""
    least, most = cost["training_seconds"]
    slowest = max(cost["models"], key=lambda model: model["epoch_seconds"])
    slowest_model = (
        f", slowest is {slowest['model']} with {_format_duration(slowest['epoch_seconds'])} per epoch"
        if len(cost["models"]) > 1
        else ""
    )
    return (
        f"cost: training takes an estimated {_format_duration(least)} to {_format_duration(most)} on this machine"
        f"{slowest_model} (timed: a few steps of each network); reading and validating took "
        f"{_format_duration(cost['read_seconds'])}"
    )


def _format_duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
