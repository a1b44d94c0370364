"""The page's section on memory: a row a model, and the drawings of the best one."""

from collections.abc import Sequence
from typing import NamedTuple

from models.diagnostics.effective_memory import explain_short_memory, gate_saturation
from models.restore import restore_shape, restore_spec
from tasks.charts.cell_diagram import draw_cell
from tasks.charts.diagram import Diagram
from tasks.charts.gradient_by_lag import GradientCurve, draw_lags
from tasks.charts.network_view import NetworkView
from tasks.charts.unrolled_network import draw_unrolled
from tasks.modeling.candidate import load_bundle
from tasks.report.page_data import ModelMemory
from tasks.results.steps import TrainingResult
from tasks.storage.store import Store


class Row(NamedTuple):
    """One model in the table; `blind` says why it can't see a season back, `states` is the recurrence alone."""

    name: str
    effective: int
    seasons: float
    states: int
    season: int
    blind: str
    saturated: float
    exploded: float


class Plates(NamedTuple):
    """The three drawings; those that are too wide for a phone have a second shape."""

    unrolled: tuple[Diagram, Diagram]
    lags: tuple[Diagram, Diagram]
    cell: Diagram


def row(one: NetworkView) -> Row:
    """The numbers of one model."""
    memory = one.memory
    return Row(
        name=one.name,
        effective=memory.effective,
        seasons=memory.effective / max(memory.season, 1),
        states=memory.effective_recurrence,
        season=memory.season,
        blind=explain_short_memory(memory),
        saturated=gate_saturation(memory.gates),
        exploded=memory.exploded,
    )


def plates(memories: Sequence[ModelMemory], references: Sequence[GradientCurve]) -> Plates | None:
    """Of the first model; the one over lags is of all of them."""
    if not memories:
        return None
    best = memories[0].drawn
    curves = [*(GradientCurve(one.drawn.name, one.drawn.memory) for one in memories), *references]
    unrolled = (draw_unrolled(best), draw_unrolled(best, narrow=True))
    return Plates(unrolled, (draw_lags(curves), draw_lags(curves, narrow=True)), draw_cell(best))


def network_view(trained: TrainingResult, store: Store) -> NetworkView | None:
    """What the drawings need of a model; None where nothing is known of its memory."""
    if trained.memory is None:
        return None
    bundle = load_bundle(trained.candidate, store)
    return NetworkView(trained.candidate.name, restore_spec(bundle), restore_shape(bundle), trained.memory)
