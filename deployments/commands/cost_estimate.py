"""What a night would cost on this machine: an estimate from what was timed, said as one."""

from collections.abc import Sequence
from typing import Any

from models.data.panel import Panel
from models.data.windows import WindowIndex
from models.training.recipe import Recipe
from models.training.time_estimate import estimate_time


def estimate_costs(panel: Panel, index: WindowIndex, recipes: Sequence[Recipe], read: float) -> dict[str, Any]:
    """Seconds to `read` and validate, which were measured, and to train each model, from a few timed steps of it."""
    paces = [estimate_time(panel, index, recipe) for recipe in recipes]
    return {
        "read_seconds": round(read, 2),
        "training_seconds": [round(sum(one.least for one in paces), 1), round(sum(one.most for one in paces), 1)],
        "models": [
            {
                "model": one.model,
                "epoch_seconds": round(one.epoch, 2),
                "seconds": [round(one.least, 1), round(one.most, 1)],
            }
            for one in paces
        ],
    }


def format_costs(cost: dict[str, Any]) -> str:
    """One line: how long, on what grounds, and which model takes most of it."""
    least, most = cost["training_seconds"]
    slowest = max(cost["models"], key=lambda one: one["epoch_seconds"])
    which = (
        f", {slowest['model']} the longest with {_span(slowest['epoch_seconds'])} an epoch"
        if len(cost["models"]) > 1
        else ""
    )
    return (
        f"cost: an estimated {_span(least)} to {_span(most)} of training on this machine{which} (a few steps of each "
        f"network were timed); reading and validating took {_span(cost['read_seconds'])}"
    )


def _span(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
