"""Failures of steps: one that does not stop the run, and an allocation that failed, whichever library made it."""

from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from tasks.engine.machine_memory import format_bytes, memory_limit

MEMORY_ERRORS = ("OutOfMemoryError", "ArrowMemoryError")
MEMORY_SENTENCES = ("can't allocate memory", "unable to allocate", "cannot allocate memory", "out of memory")


class StepFailure(Spec):
    """A step that failed without stopping the night. The page reports it, and the other steps run.

    `is_of_store` says that the store could not be used: the same run can be completed once it can.
    """

    step: str
    reason: str
    is_of_store: bool = False


class OutOfMemory(NightcastError):
    """A step needed more memory than this process may use."""

    headline = "The night ran out of memory: nothing new was published."

    def __init__(self, activity: str) -> None:
        super().__init__(
            f"this run ran out of memory {activity}: it may use {format_bytes(memory_limit())} here. Run it where more "
            "memory is free, or make the night smaller: fewer models, a smaller hidden or training.batch_size, a "
            "shorter history. What was published before is unchanged; finished steps are taken from the cache."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory could not be allocated."""
    if isinstance(error, MemoryError) or type(error).__name__ in MEMORY_ERRORS:
        return True
    return isinstance(error, RuntimeError | OSError) and any(text in str(error).lower() for text in MEMORY_SENTENCES)
