"""Progress of a long step in the Prefect UI, as a progress artifact."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from tasks.engine.flow_context import in_task_run

UPDATE_INTERVAL_S = 1.0  # at least this long between two updates


@contextlib.contextmanager
def progress_artifact(pipeline: str, label: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of `total` epochs. Without a Prefect run or server it does nothing."""
    artifact_id = _call_in_run(
        "create_progress_artifact",
        0.0,
        key=_artifact_key(f"{pipeline} training {label}"),
        description=f"Training of {label}: share of at most {total} epochs",
    )
    done, updated_at, reachable = 0, time.monotonic(), isinstance(artifact_id, UUID)

    def advance() -> None:
        nonlocal done, updated_at, reachable
        done += 1
        if reachable and time.monotonic() - updated_at >= UPDATE_INTERVAL_S:
            share = min(100.0, 100.0 * done / total)
            reachable = _call_in_run("update_progress_artifact", artifact_id, share) is not None
            updated_at = time.monotonic()

    yield advance
    if reachable:
        _call_in_run("update_progress_artifact", artifact_id, 100.0)


def _call_in_run(function: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function of prefect.artifacts; outside of a task run do nothing, and import nothing."""
    if not in_task_run():
        return None
    from prefect import artifacts

    with contextlib.suppress(Exception):  # a server that does not answer must not stop the training
        return getattr(artifacts, function)(*args, **kwargs)
    return None


def _artifact_key(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
