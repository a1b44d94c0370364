"""Memory that a pipeline needs at least, compared with that of the machine once the numbers are known.

Each estimate is a lower bound: what is refused here would have ended in an error of the operating system.
"""

from data_contracts.errors import SpecError
from models.data.panel import Panel
from models.training.recipe import Recipe
from tasks.engine.machine_memory import format_bytes, memory_limit
from tasks.modeling.forecast_setup import EvaluationSpec

FLOAT64_BYTES, FLOAT32_BYTES = 8, 4
FORECAST_COLUMNS = 8  # of a table of forecasts: times, numbers and names
LINEAR_MOMENTS = 6  # Gram matrices and cross products that the linear baseline holds at least
WEIGHT_COPIES = 6  # weights, gradients, two moments of AdamW, the moving average, the best so far
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
MIN_INPUT_WIDTH = 2  # the target and its mask


def check_forecast_size(panel: Panel, evaluation: EvaluationSpec) -> None:
    """Check that the tables of forecasts, and the linear baseline, fit the memory.

    Args:
        panel: The series, with lookback and horizon.
        evaluation: Rolling origins, and the largest number of series that are scored.

    Raises:
        SpecError: They take more memory than the machine has.
    """
    lookback, horizon, series = panel.view.lookback, panel.view.horizon, len(panel.ids)
    origins, scored = evaluation.windows, min(series, evaluation.max_series)
    rows = (series + scored * origins) * horizon
    _require(
        rows * FORECAST_COLUMNS * FLOAT64_BYTES,
        f"the forecasts of {series:,} series, windowing.horizon {horizon:,} and evaluation.windows {origins:,} are "
        f"{rows:,} rows",
        "Lower windowing.horizon or evaluation.windows, or split the series into several pipelines.",
    )
    values = LINEAR_MOMENTS * lookback * (lookback + horizon)
    _require(
        values * FLOAT64_BYTES,
        f"the linear baseline of windowing.lookback {lookback:,} and windowing.horizon {horizon:,} has {values:,} "
        "numbers",
        "Lower windowing.lookback or windowing.horizon, or set a longer freq.",
    )


def check_network_size(recipe: Recipe) -> None:
    """Raise SpecError if the network of a recipe does not fit the memory while it is trained."""
    weights, states = count_weights(recipe), count_states(recipe)
    model, view, batch = recipe.model, recipe.view, recipe.training.batch_size
    _require(
        FLOAT32_BYTES * (WEIGHT_COPIES * weights + states),
        f"model {model.name} has {weights:,} weights, and {states:,} numbers of a training batch (hidden "
        f"{model.hidden:,}, layers {model.layers}, windowing.lookback {view.lookback:,}, horizon {view.horizon:,}, "
        f"training.batch_size {batch:,})",
        "Lower hidden, training.batch_size or windowing.lookback.",
    )


def count_weights(recipe: Recipe) -> int:
    """Return how many weights a network has at least: those of its encoder and of its linear map."""
    model, view = recipe.model, recipe.view
    directions, segment = 1 + model.bidirectional, min(model.segment or 1, view.lookback)
    width = model.hidden if segment > 1 else MIN_INPUT_WIDTH
    weights = segment * MIN_INPUT_WIDTH * model.hidden if segment > 1 else 0
    for _ in range(model.layers):
        weights += directions * GATES[model.cell] * model.hidden * (width + model.hidden + 2)
        width = directions * model.hidden
    return weights + ((view.lookback + 1) * view.horizon if model.skip else 0)


def count_states(recipe: Recipe) -> int:
    """Return how many numbers one batch holds: its inputs, the states of the encoder and those of the decoder."""
    model, view = recipe.model, recipe.view
    steps = -(-view.lookback // min(model.segment or 1, view.lookback))
    encoder = steps * model.hidden * model.layers * (1 + model.bidirectional)
    decoder = view.horizon * (model.hidden if model.decoding == "direct" else 1)
    return recipe.training.batch_size * (view.lookback * MIN_INPUT_WIDTH + encoder + decoder)


def _require(size: int, subject: str, advice: str) -> None:
    if size > memory_limit():
        raise SpecError(
            f"{subject}, which need about {format_bytes(size)} of memory, and there are {format_bytes(memory_limit())} "
            f"here. {advice}"
        )
