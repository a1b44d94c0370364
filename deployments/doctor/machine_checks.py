"""What doctor sees of the machine: room on the disk, and a clock that agrees with the store's."""

import shutil
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from deployments.doctor.finding import MAX_CLOCK_SKEW, CheckContext, Finding, FindingState

LITTLE, TOO_LITTLE = 5 * 2**30, 2**30  # bytes free


def check(look: CheckContext) -> Iterator[Finding]:
    root = look.settings.local_root
    if root is None:
        return
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    yield _room(there)
    yield _clock(there, look)


def _room(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    told = f"{usage.free / 2**30:,.1f} of {usage.total / 2**30:,.1f} GiB are free where the store is"
    state: FindingState = "bad" if usage.free < TOO_LITTLE else "watch" if usage.free < LITTLE else "good"
    return Finding("disk", state, told, "Make room: a night that finds none stops, and yesterday's forecast stays.")


def _clock(folder: Path, look: CheckContext) -> Finding:
    """The time that a new file gets, beside this process's clock; a store that was written in the future."""
    probe = folder / f".{uuid.uuid4().hex}.part"
    try:
        probe.touch(exist_ok=False)
        skew = abs(probe.stat().st_mtime - time.time())
    except OSError:
        return Finding("clock", "watch", "no file can be made in the store to compare its time with the clock")
    finally:
        probe.unlink(missing_ok=True)
    if skew > MAX_CLOCK_SKEW:
        told = f"the store's clock and this machine's are {timedelta(seconds=round(skew))} apart"
        return Finding("clock", "bad", told, "Set them by the same time server: nights are named by the clock.")
    return Finding("clock", "good", f"{look.now:%Y-%m-%d %H:%M:%S} UTC, as the store has it")
