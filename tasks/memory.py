"""Draw the memory of the trained networks: unrolled in time, gradient by lag, and a cell with its gates."""

import logging

from pydantic import Field, NonNegativeInt

from data_contracts.artifact import Artifact
from data_contracts.errors import TrainingFailed
from data_contracts.spec import SettingsSpec
from models.bundle import Bundle
from models.data.panel import Panel
from models.training.recipe import Recipe
from tasks.charts.cell_diagram import draw_cell
from tasks.charts.gradient_by_lag import GradientCurve, draw_gradient_by_lag
from tasks.charts.network_view import NetworkView
from tasks.charts.unrolled_network import draw_unrolled
from tasks.engine.step import step
from tasks.modeling.candidate import read_bundle
from tasks.modeling.memory import measure_bundle_memory
from tasks.modeling.training_data import load_training_part, training_cache_key
from tasks.report.memory_section import network_view
from tasks.results.steps import MemoryDrawings, ReferenceNetwork, TrainingResult
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

CELLS = ("rnn", "lstm", "gru")
REFERENCE_BATCH_SIZE = 64


class MemorySpec(SettingsSpec):
    """Settings of the drawings.

    The gradient drawing compares all three cells. A cell that no model of the night uses is trained for
    `reference_steps` steps, only for this drawing.
    """

    reference_steps: NonNegativeInt = Field(
        100, le=100_000, description="steps; less than an epoch of a model; 0: no references"
    )


def missing_references(
    trained: tuple[TrainingResult, ...], spec: MemorySpec, store: Store
) -> tuple[tuple[str, Recipe], ...]:
    """Build the recipes of the reference networks: one per cell that no model uses, as large as the first model.

    Returns:
        (name, recipe) of each reference; empty if no memory was measured or the settings ask for no references.
    """
    measured = [result for result in trained if result.memory is not None]
    if not measured or not spec.reference_steps:
        return ()
    recipe = _stored_recipe(read_bundle(measured[0].candidate, store))
    size = REFERENCE_BATCH_SIZE
    short = {"batch_size": size, "max_epochs": 1, "windows_per_epoch": size * spec.reference_steps}
    training = recipe.training.model_copy(
        update={**short, "validation_windows": 4 * size, "start": "scratch", "members": 1}
    )
    trained_cells = {result.memory.cell for result in measured if result.memory}
    models = [recipe.model.model_copy(update={"cell": cell}) for cell in CELLS if cell not in trained_cells]
    unblended = [(model.name, model.model_copy(update={"blend": False})) for model in models]
    return tuple((name, recipe.model_copy(update={"model": model, "training": training})) for name, model in unblended)


def _stored_recipe(bundle: Bundle) -> Recipe:
    return Recipe.model_validate(bundle.recurrent.model_dump(include=set(Recipe.model_fields)))


def drawings_cache_key(
    clean: Artifact, windows: Artifact, trained: tuple[TrainingResult, ...], spec: MemorySpec, store: Store
) -> tuple[object, ...]:
    """Return what the drawings depend on: the models, their memories, and the training data of the references."""
    references = [
        (name, training_cache_key(clean, windows, recipe, None, store))
        for name, recipe in missing_references(trained, spec, store)
    ]
    return [(result.candidate, result.memory) for result in trained], references


@step(cache_key=drawings_cache_key)
def draw_memory(
    clean: Artifact, windows: Artifact, trained: tuple[TrainingResult, ...], spec: MemorySpec, store: Store
) -> MemoryDrawings:
    """Draw three diagrams of each model from its trained weights, and train the references for the gradient drawing.

    Args:
        clean: The clean table, from which references learn.
        windows: The windows table of `cut_windows`.
        trained: The models that were trained this night.
        spec: How long references are trained.
        store: The store that holds the bundles and takes the drawings.

    Returns:
        The stored SVG files `unrolled`, `lags` and `cell` by digest of the bundle. `lags` is one file for all models.
        A reference that cannot be trained is left out.
    """
    references = _train_references(clean, windows, missing_references(trained, spec, store), store)
    by_digest = {result.candidate.bundle.digest: network_view(result, store) for result in trained}
    views = {digest: view for digest, view in by_digest.items() if view is not None}
    if not views:
        return MemoryDrawings(drawings={})
    lags = store.put_bytes(
        draw_gradient_by_lag(gradient_curves(tuple(views.values()), references)).sheet, "drawing", "svg"
    )
    drawings = {
        digest: {
            "unrolled": store.put_bytes(draw_unrolled(view).sheet, "drawing", "svg"),
            "lags": lags,
            "cell": store.put_bytes(draw_cell(view).sheet, "drawing", "svg"),
        }
        for digest, view in views.items()
    }
    return MemoryDrawings(drawings=drawings, references=references)


def _train_references(
    clean: Artifact, windows: Artifact, recipes: tuple[tuple[str, Recipe], ...], store: Store
) -> tuple[ReferenceNetwork, ...]:
    """Train the references; one that fails is logged and left out, so that the drawing is still made."""
    from models.training.train_network import train_network  # loads torch, which a cached night does not need

    references = []
    for name, recipe in recipes:
        part, index = load_training_part(clean, windows, recipe.view, store)
        panel = Panel.from_table(part, recipe.view)
        try:
            bundle, _ = train_network(panel, index, recipe)
        except TrainingFailed as error:
            log.info("the gradient drawing has no reference %s: %s", name, error)
            continue
        references.append(ReferenceNetwork(name=name, memory=measure_bundle_memory(bundle, panel, index)))
    return tuple(references)


def gradient_curves(models: tuple[NetworkView, ...], references: tuple[ReferenceNetwork, ...]) -> list[GradientCurve]:
    """Build the curves of the gradient drawing: the models, then the references."""
    return [
        *(GradientCurve(model.name, model.memory) for model in models),
        *(GradientCurve(network.name, network.memory, reference=True) for network in references),
    ]
