"""Progress of a long step in the Prefect UI, as a progress artifact."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

UPDATE_INTERVAL_S = 1.0  # at least this long between two updates


@contextlib.contextmanager
def progress_artifact(pipeline: str, label: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of `total` epochs. Without a Prefect run or server it does nothing."""
    artifact_id = _call_in_run(
        create_progress_artifact,
        0.0,
        key=_artifact_key(f"{pipeline} training {label}"),
        description=f"Training of {label}: share of at most {total} epochs",
    )
    done, updated_at, reachable = 0, time.monotonic(), isinstance(artifact_id, UUID)

    def advance() -> None:
        nonlocal done, updated_at, reachable
        done += 1
        if reachable and time.monotonic() - updated_at >= UPDATE_INTERVAL_S:
            reachable = (
                _call_in_run(update_progress_artifact, artifact_id, min(100.0, 100.0 * done / total)) is not None
            )
            updated_at = time.monotonic()

    yield advance
    if reachable:
        _call_in_run(update_progress_artifact, artifact_id, 100.0)


def _call_in_run(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if TaskRunContext.get() is None:
        return None
    with contextlib.suppress(Exception):  # a server that does not answer must not stop the training
        return call(*args, **kwargs)
    return None


def _artifact_key(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
