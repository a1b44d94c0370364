"""A stored model and the part it plays: champion, challenger or baseline."""

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.bundle import Bundle
from tasks.storage.store import Store


class Candidate(Spec):
    """A model by the claim check of its bundle; `version` is empty until the registry has it, and for baselines."""

    name: str
    role: str
    bundle: Artifact
    version: str = ""

    @property
    def label(self) -> str:
        """Its name among tonight's candidates: last night's champion and its successor share their settings."""
        return f"{self.name} v{self.version}" if self.version else self.name


def load_bundle(candidate: Candidate, store: Store) -> Bundle:
    return Bundle.from_bytes(store.get_bytes(candidate.bundle))
