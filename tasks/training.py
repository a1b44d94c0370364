"""Step 4 · clean + windows → one trained model: weights as safetensors, settings as JSON, its learning curve."""

import functools
import time

from pydantic import Field

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.bundle import Bundle
from models.diagnostics import Memory
from models.fit import Epoch
from models.forecaster import Recipe, train_network
from models.panel import Panel, View
from tasks import _journal
from tasks._candidate import Candidate, bundle_of
from tasks._memory import held_to, memory_of
from tasks._step import step_that_depends_on
from tasks._store import Store
from tasks._windows import content_digest, index_of, training_part


class Trained(Spec):
    """A challenger and how it learned: losses are mean pinball losses in scaled units, one an epoch.

    `gradients` are mean norms before clipping, one an epoch for each layer; `drawings` are SVG files of its memory.
    """

    candidate: Candidate
    train_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    seconds: float
    note: str = ""
    gradients: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    memory: Memory | None = None
    drawings: dict[str, Artifact] = Field(default_factory=dict)

    @property
    def sentence(self) -> str:
        best = min(self.validation_losses, default=float("nan"))
        return f"{self.candidate.name}: {len(self.train_losses)} epochs, best validation loss {best:.4f} {self.note}"


def learned_from(
    clean: Artifact, windows: Artifact, recipe: Recipe, incumbent: Candidate | None, store: Store
) -> tuple[Recipe, str, str | None]:
    """What the result depends on: the recipe, the values of the training and validation parts, and where it begins."""
    champion, reason = _beginning(recipe, incumbent, store)
    begins = incumbent.bundle.digest if champion and incumbent else reason
    return recipe, _digest_of_training_part(clean, windows, recipe.view, store), begins


def _beginning(recipe: Recipe, incumbent: Candidate | None, store: Store) -> tuple[Bundle | None, str | None]:
    """The champion's bundle where training is asked to begin with it, or why it can't."""
    if recipe.training.start == "scratch":
        return None, None
    if incumbent is None:
        return None, "there is no champion yet"
    if incumbent.name != recipe.model.name:
        return None, "the champion is another kind of network"
    try:
        return bundle_of(incumbent, store), None
    except NightcastError:
        return None, "the champion's bundle is damaged"


@functools.lru_cache(maxsize=4)
def _digest_of_training_part(clean: Artifact, windows: Artifact, view: View, store: Store) -> str:
    """The same for every recipe of a night, and the clean table may be large."""
    part, index = training_part(store.get(clean), index_of(windows, store), view)
    return content_digest(part, index)


@step_that_depends_on(learned_from)
def train(clean: Artifact, windows: Artifact, recipe: Recipe, incumbent: Candidate | None, store: Store) -> Trained:
    """One network, global over all series, from scratch or from the champion that this night met.

    Raises TrainingFailed where no finite weights were found, SeasonOutOfSight, and NoSuchDevice.
    """
    started = time.perf_counter()
    champion, reason = _beginning(recipe, incumbent, store)
    part, index = training_part(store.get(clean), index_of(windows, store), recipe.view)
    panel = Panel.from_frame(part, recipe.view)
    with _journal.bar(recipe.model.name, recipe.training.max_epochs) as advance:

        def told(epoch: Epoch) -> None:
            advance(f"loss {epoch.train_loss:.4f}, validation {epoch.validation_loss:.4f}, {time_left(epoch)}")

        bundle, history = train_network(panel, index, recipe, (told,), champion)
    memory = memory_of(bundle, panel, index)
    blind = held_to(recipe.training.memory, bundle.name, memory)
    note = "; ".join(filter(None, (reason and f"began from scratch: {reason}", history.note, blind)))
    return Trained(
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
