"""How far a long step is, in the Prefect UI: one progress artifact a unit of work that anybody can watch."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

UPDATE_INTERVAL_S = 1.0  # seconds between two updates at least


@contextlib.contextmanager
def progress_artifact(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Call it once a unit; outside a Prefect run, and where its server does not answer, it does nothing."""
    made = _try(create_progress_artifact, 0.0, key=f"training-{_key(label)}", description=f"Epochs of {label}, at most")
    done, told, alive = 0, time.monotonic(), isinstance(made, UUID)

    def advance() -> None:
        nonlocal done, told, alive
        done += 1
        if alive and time.monotonic() - told >= UPDATE_INTERVAL_S:
            alive = _try(update_progress_artifact, made, min(100.0, 100.0 * done / total)) is not None
            told = time.monotonic()

    yield advance
    if alive:
        _try(update_progress_artifact, made, 100.0)


def _try(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if TaskRunContext.get() is None:
        return None
    with contextlib.suppress(Exception):  # whoever can't be told holds up no training
        return call(*args, **kwargs)
    return None


def _key(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "model"
