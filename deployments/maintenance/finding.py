"""The types that checks and repairs of a store exchange."""

from typing import Any, Literal, NamedTuple

DamageState = Literal["bad", "note"]
RepairAction = Literal[
    "restore", "delete", "move away", "close", "publish latest", "rebuild snapshot", "alias", "registry"
]


class Repair(NamedTuple):
    """What `fsck --repair` does about a finding: an action on `uri`, from the bytes at `source` if it restores."""

    action: RepairAction
    uri: str
    source: str = ""

    @property
    def sentence(self) -> str:
        """Describe what the repair has changed."""
        return {
            "restore": f"{self.uri} is restored from {self.source}",
            "delete": f"{self.uri} is deleted: it was unusable, and a night that needs it writes it again",
            "move away": f"{self.uri} is moved to lost+found/",
            "close": f"{self.uri} can be written by its owner only",
            "publish latest": f"{self.uri} is that of the newest vintage again",
            "rebuild snapshot": f"{self.uri} is written again from the manifest of its night",
            "alias": f"the alias champion of {self.uri} follows the newest decision again",
            "registry": f"the registry of {self.uri} is built again from bundles and decisions",
        }[self.action]


class Damage(NamedTuple):
    """A finding about one file: what is wrong, what it affects, what to do, and how `--repair` brings it back.

    A `note` is information: the store is healthy. `pipeline` is empty for a file that no pipeline refers to.
    """

    uri: str
    state: DamageState
    message: str
    affects: str = ""
    step: str = ""
    repair: Repair | None = None
    pipeline: str = ""
    is_unfinished: bool = False
    """Whether a night that is still running leaves the file like this before it ends."""

    def as_json(self) -> dict[str, Any]:
        """Return the finding with the keys of `nightcast fsck --json`."""
        return {
            "file": self.uri,
            "state": self.state,
            "message": self.message,
            "affects": self.affects,
            "step": self.step,
            "repairable": self.repair is not None,
            "pipeline": self.pipeline,
        }
