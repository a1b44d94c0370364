"""Health checks of the machine: free disk space, clocks that agree, and the cluster of NIGHTCAST_ENGINE."""

import shutil
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from deployments.doctor.finding import MAX_CLOCK_SKEW_S, CheckContext, Finding, FindingState
from tasks.engine.execution import open_executor

WATCH_BELOW_BYTES, BAD_BELOW_BYTES = 5 * 2**30, 2**30  # free disk space


def check(context: CheckContext) -> Iterator[Finding]:
    """Check disk and clock of a store on this machine; a store at a URL has neither."""
    root = context.settings.local_root
    if root is None:
        return
    folder = next(folder for folder in (root, *root.parents) if folder.is_dir())
    yield _check_disk_space(folder)
    yield _check_clock(folder, context)


def check_engine(context: CheckContext) -> Iterator[Finding]:
    """Check that the cluster of NIGHTCAST_ENGINE answers; without one there is nothing to check."""
    spec = context.settings.execution
    if spec.engine == "local":
        return
    with open_executor(spec) as executor:
        if executor is None:
            message = f"the {spec.engine} cluster at {spec.address} does not answer: this machine does its work"
            step = "Start its scheduler and workers, correct NIGHTCAST_ENGINE_ADDRESS, or set NIGHTCAST_ENGINE=local."
            yield Finding("engine", "bad", message, step)
        else:
            yield Finding("engine", "good", f"the {spec.engine} cluster at {spec.address} answers")


def _check_disk_space(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    message = f"{usage.free / 2**30:,.1f} of {usage.total / 2**30:,.1f} GiB are free on the disk of the store"
    state: FindingState = (
        "bad" if usage.free < BAD_BELOW_BYTES else "watch" if usage.free < WATCH_BELOW_BYTES else "good"
    )
    step = "Free disk space: a night that runs out of space stops, and the previous forecasts stay."
    return Finding("disk", state, message, step)


def _check_clock(folder: Path, context: CheckContext) -> Finding:
    """Compare the time of a new file in the store with the clock of this process."""
    probe = folder / f".{uuid.uuid4().hex}.part"
    try:
        probe.touch(exist_ok=False)
        skew = abs(probe.stat().st_mtime - time.time())
    except OSError:
        return Finding("clock", "watch", "cannot create a file in the store to compare its time with the clock")
    finally:
        probe.unlink(missing_ok=True)
    if skew > MAX_CLOCK_SKEW_S:
        message = f"the clocks of the store and of this machine are {timedelta(seconds=round(skew))} apart"
        return Finding("clock", "bad", message, "Set both from the same time server: nights are named by the clock.")
    return Finding("clock", "good", f"{context.now:%Y-%m-%d %H:%M:%S} UTC, same as the store")
