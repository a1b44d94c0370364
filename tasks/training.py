"""Step 4 · clean + windows → one trained model: weights as safetensors, settings as JSON, its learning curve."""

import functools
import time

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.fit import Epoch
from models.forecaster import Recipe, train_network
from models.panel import Panel, View
from tasks import _journal
from tasks._candidate import Candidate
from tasks._step import step_that_depends_on
from tasks._store import Store
from tasks._windows import content_digest, index_of, training_part


class Trained(Spec):
    """A challenger and how it learned: losses are mean pinball losses in scaled units, one an epoch."""

    candidate: Candidate
    train_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    seconds: float
    note: str = ""

    @property
    def sentence(self) -> str:
        best = min(self.validation_losses, default=float("nan"))
        return f"{self.candidate.name}: {len(self.train_losses)} epochs, best validation loss {best:.4f} {self.note}"


def learned_from(clean: Artifact, windows: Artifact, recipe: Recipe, store: Store) -> tuple[Recipe, str]:
    """What the result depends on: the recipe, and the values of the training and validation parts alone."""
    return recipe, _digest_of_training_part(clean, windows, recipe.view, store)


@functools.lru_cache(maxsize=4)
def _digest_of_training_part(clean: Artifact, windows: Artifact, view: View, store: Store) -> str:
    """The same for every recipe of a night, and the clean table may be large."""
    part, index = training_part(store.get(clean), index_of(windows, store), view)
    return content_digest(part, index)


@step_that_depends_on(learned_from)
def train(clean: Artifact, windows: Artifact, recipe: Recipe, store: Store) -> Trained:
    """One network, global over all series. Raises TrainingFailed where no finite weights were found."""
    started = time.perf_counter()
    part, index = training_part(store.get(clean), index_of(windows, store), recipe.view)
    panel = Panel.from_frame(part, recipe.view)
    with _journal.bar(recipe.model.name, recipe.training.max_epochs) as advance:

        def told(epoch: Epoch) -> None:
            advance(f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}")

        bundle, history = train_network(panel, index, recipe, (told,))
    return Trained(
        candidate=Candidate(
            name=bundle.name, role="challenger", bundle=store.put_bytes(bundle.to_bytes(), "bundle", "safetensors")
        ),
        train_losses=tuple(history.train_losses),
        validation_losses=tuple(history.validation_losses),
        seconds=round(time.perf_counter() - started, 2),
        note=history.note,
    )
