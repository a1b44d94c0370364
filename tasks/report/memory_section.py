"""The section on memory: one table row per model, and the drawings of the best model."""

from collections.abc import Sequence
from typing import NamedTuple

from models.diagnostics.effective_memory import explain_short_memory, gate_saturation
from models.restore import restore_shape, restore_spec
from tasks.charts.cell_diagram import draw_cell
from tasks.charts.diagram import Diagram
from tasks.charts.gradient_by_lag import GradientCurve, draw_gradient_by_lag
from tasks.charts.network_view import NetworkView
from tasks.charts.unrolled_network import draw_unrolled
from tasks.modeling.candidate import load_bundle
from tasks.report.page_data import ModelMemory
from tasks.results.steps import TrainingResult
from tasks.storage.store import Store


class MemoryRow(NamedTuple):
    """One model in the table: its effective memory in steps, in seasons, and through the states alone.

    `short_memory` is the reason why the model cannot see a season back, empty if it can; `saturated` and `exploded`
    are shares of 1.
    """

    name: str
    effective: int
    seasons: float
    states: int
    season: int
    short_memory: str
    saturated: float
    exploded: float


class MemoryDiagrams(NamedTuple):
    """The three drawings; the two that are too wide for a phone come in a wide and a narrow shape."""

    unrolled: tuple[Diagram, Diagram]
    lags: tuple[Diagram, Diagram]
    cell: Diagram


def memory_row(view: NetworkView) -> MemoryRow:
    """Return the table row of one model."""
    memory = view.memory
    return MemoryRow(
        name=view.name,
        effective=memory.effective,
        seasons=memory.effective / max(memory.season, 1),
        states=memory.effective_recurrence,
        season=memory.season,
        short_memory=explain_short_memory(memory),
        saturated=gate_saturation(memory.gates),
        exploded=memory.exploded,
    )


def memory_diagrams(memories: Sequence[ModelMemory], references: Sequence[GradientCurve]) -> MemoryDiagrams | None:
    """Draw the first model, and the gradients of all models and references by lag."""
    if not memories:
        return None
    best = memories[0].view
    curves = [*(GradientCurve(memory.view.name, memory.view.memory) for memory in memories), *references]
    unrolled = (draw_unrolled(best), draw_unrolled(best, narrow=True))
    return MemoryDiagrams(
        unrolled, (draw_gradient_by_lag(curves), draw_gradient_by_lag(curves, narrow=True)), draw_cell(best)
    )


def network_view(trained: TrainingResult, store: Store) -> NetworkView | None:
    """Load what the drawings of a model need; None if its memory was not measured."""
    if trained.memory is None:
        return None
    bundle = load_bundle(trained.candidate, store)
    return NetworkView(trained.candidate.name, restore_spec(bundle), restore_shape(bundle), trained.memory)
