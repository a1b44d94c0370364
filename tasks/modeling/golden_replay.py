"""Which golden forecast a run reproduced and under which conditions, so that a later process need not repeat it.

The same bytes give the same forecast under the same code, libraries and processor. The manifest of a night records the
replay, and `doctor` loads torch only for a champion that no night has replayed under the conditions of this process.
"""

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path

import models
from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate

LIBRARIES = ("nightcast", "torch", "numpy")
PROCESSOR_NAMES = Path("/proc/cpuinfo")


class GoldenReplay(Spec):
    """A bundle, by its digest, that reproduced its golden forecast, and what the forecast depends on besides."""

    bundle: str
    conditions: dict[str, str]

    def covers(self, champion: Candidate) -> bool:
        """Return whether a replay of this champion by this process would compute the same again."""
        return self.bundle == champion.bundle.digest and self.conditions == current_conditions()


@functools.cache
def current_conditions() -> dict[str, str]:
    """Return what decides a forecast besides the bundle: code and release, libraries, Python and processor."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "code": _digest_sources(Path(models.__path__[0])),
        **versions,
        "python": platform.python_version(),
        "processor": _processor(),
    }


def is_replayed(champion: Candidate, replays: Iterable[GoldenReplay | None]) -> bool:
    """Return whether one of the replays covers the champion."""
    return any(replay is not None and replay.covers(champion) for replay in replays)


def _digest_sources(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"\n{path.relative_to(folder).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    """Return the model of the processor: kernels are chosen by it. `platform.processor()` would start a process."""
    try:
        lines = PROCESSOR_NAMES.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {name}".strip()
