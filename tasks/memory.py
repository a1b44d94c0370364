"""After step 4 · trained models → drawings of their memory: unrolled in time, gradient over lag, a cell with gates."""

import logging

from pydantic import Field, NonNegativeInt

from data_contracts.artifact import Artifact
from data_contracts.errors import TrainingFailed
from data_contracts.spec import Spec
from models.bundle import Bundle
from models.data.panel import Panel
from models.training.recipe import Recipe
from models.training.train_network import train_network
from tasks.charts.cell_diagram import draw_cell
from tasks.charts.gradient_by_lag import GradientCurve, draw_lags
from tasks.charts.network_view import NetworkView
from tasks.charts.unrolled_network import draw_unrolled
from tasks.engine.step import step
from tasks.modeling.candidate import load_bundle
from tasks.modeling.memory import measure_bundle_memory
from tasks.modeling.training_data import load_window_index, select_training_part, training_cache_key
from tasks.report.memory_section import network_view
from tasks.results.steps import MemoryDrawings, ReferenceNetwork, TrainingResult
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


CELLS = ("rnn", "lstm", "gru")
BATCH = 64


class MemorySpec(Spec):
    """Each cell that no model of the night has is trained for so many steps, for the drawing of all three alone."""

    reference_steps: NonNegativeInt = Field(100, description="less than one epoch of one model; 0: no reference")


def missing_references(
    trained: tuple[TrainingResult, ...], spec: MemorySpec, store: Store
) -> tuple[tuple[str, Recipe], ...]:
    """(name, recipe) of a reference for each cell that was not trained: as large as the first model of the night."""
    remembered = [one for one in trained if one.memory is not None]
    if not remembered or not spec.reference_steps:
        return ()
    recipe = _recipe_of(load_bundle(remembered[0].candidate, store))
    quick = {"batch_size": BATCH, "max_epochs": 1, "windows_per_epoch": BATCH * spec.reference_steps}
    training = recipe.training.model_copy(
        update={**quick, "validation_windows": 4 * BATCH, "start": "scratch", "members": 1}
    )
    known = {one.memory.cell for one in remembered if one.memory}
    models = [recipe.model.model_copy(update={"cell": cell}) for cell in CELLS if cell not in known]
    alone = [(model.name, model.model_copy(update={"blend": False})) for model in models]
    return tuple((name, recipe.model_copy(update={"model": model, "training": training})) for name, model in alone)


def _recipe_of(bundle: Bundle) -> Recipe:
    return Recipe.model_validate(bundle.recurrent.model_dump(include=set(Recipe.model_fields)))


def drawings_cache_key(
    clean: Artifact, windows: Artifact, trained: tuple[TrainingResult, ...], spec: MemorySpec, store: Store
) -> tuple[object, ...]:
    """What the drawings depend on: the models and their memories, and what references learn from."""
    references = [
        (name, training_cache_key(clean, windows, recipe, None, store))
        for name, recipe in missing_references(trained, spec, store)
    ]
    return [(one.candidate, one.memory) for one in trained], references


@step(cache_key=drawings_cache_key)
def draw_memory(
    clean: Artifact, windows: Artifact, trained: tuple[TrainingResult, ...], spec: MemorySpec, store: Store
) -> MemoryDrawings:
    """Three drawings a model, all made from trained weights; the one over lags is the same for all."""
    references = _references(clean, windows, missing_references(trained, spec, store), store)
    shown = {one.candidate.bundle.digest: network_view(one, store) for one in trained}
    known = {digest: one for digest, one in shown.items() if one is not None}
    if not known:
        return MemoryDrawings(drawings={})
    lags = store.put_bytes(draw_lags(gradient_curves(tuple(known.values()), references)).sheet, "drawing", "svg")
    drawings = {
        digest: {
            "unrolled": store.put_bytes(draw_unrolled(one).sheet, "drawing", "svg"),
            "lags": lags,
            "cell": store.put_bytes(draw_cell(one).sheet, "drawing", "svg"),
        }
        for digest, one in known.items()
    }
    return MemoryDrawings(drawings=drawings, references=references)


def _references(
    clean: Artifact, windows: Artifact, recipes: tuple[tuple[str, Recipe], ...], store: Store
) -> tuple[ReferenceNetwork, ...]:
    """Those that could be trained: a drawing lacks one rather than fail."""
    found = []
    for name, recipe in recipes:
        part, index = select_training_part(store.get(clean), load_window_index(windows, store), recipe.view)
        panel = Panel.from_frame(part, recipe.view)
        try:
            bundle, _ = train_network(panel, index, recipe)
        except TrainingFailed as failed:
            log.info("no reference in the drawing over lags: %s", failed)
            continue
        found.append(ReferenceNetwork(name=name, memory=measure_bundle_memory(bundle, panel, index)))
    return tuple(found)


def gradient_curves(models: tuple[NetworkView, ...], references: tuple[ReferenceNetwork, ...]) -> list[GradientCurve]:
    """Every curve of the drawing over lags."""
    return [
        *(GradientCurve(one.name, one.memory) for one in models),
        *(GradientCurve(one.name, one.memory, reference=True) for one in references),
    ]
