"""Step 4 · clean + windows → one trained model: weights as safetensors, settings as JSON, its learning curve."""

import time

from data_contracts.artifact import Artifact
from models.data.panel import Panel
from models.training.fit import Epoch
from models.training.recipe import Recipe
from models.training.train_network import train_network
from tasks.engine import run_log
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate
from tasks.modeling.memory import enforce_memory_rule, measure_bundle_memory
from tasks.modeling.training_data import load_window_index, select_training_part, training_cache_key, warm_start_bundle
from tasks.results.steps import TrainingResult
from tasks.storage.store import Store


@step(cache_key=training_cache_key)
def train(
    clean: Artifact, windows: Artifact, recipe: Recipe, incumbent: Candidate | None, store: Store
) -> TrainingResult:
    """One network, global over all series, from scratch or from the champion that this night met.

    Raises TrainingFailed where no finite weights were found, MemoryTooShort, and NoSuchDevice.
    """
    started = time.perf_counter()
    champion, reason = warm_start_bundle(recipe, incumbent, store)
    part, index = select_training_part(store.get(clean), load_window_index(windows, store), recipe.view)
    panel = Panel.from_frame(part, recipe.view)
    with run_log.progress_bar(recipe.model.name, recipe.training.max_epochs) as advance:

        def told(epoch: Epoch) -> None:
            advance(f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}, {time_left(epoch)}")

        bundle, history = train_network(panel, index, recipe, (told,), champion)
    memory = measure_bundle_memory(bundle, panel, index)
    blind = enforce_memory_rule(recipe.training.memory, bundle.name, memory)
    note = "; ".join(filter(None, (reason and f"began from scratch: {reason}", history.note, blind)))
    return TrainingResult(
        candidate=Candidate(
            name=bundle.name, role="challenger", bundle=store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")
        ),
        train_losses=tuple(history.train_losses),
        validation_losses=tuple(history.validation_losses),
        seconds=round(time.perf_counter() - started, 2),
        note=note,
        gradients={layer: tuple(norms) for layer, norms in history.gradients.items()},
        memory=memory,
    )


def time_left(epoch: Epoch) -> str:
    """0:12 to 3:40 left: if it stops as soon as it may, and if it goes on to the last epoch."""
    soonest, latest = (f"{int(seconds) // 60}:{int(seconds) % 60:02}" for seconds in epoch.left_seconds)
    return f"{soonest} to {latest} left" if soonest != latest else f"{latest} left"
