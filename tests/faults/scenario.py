"""One named fault: what is done before or inside a night, how the night may end, and how it recovers."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
import pytest

from tests.faults.harness import NIGHTS, PUBLISHED, Ended, Inject, World
from tests.faults.invariants import output_violations, violations

NIGHT = NIGHTS[2]
TABLES = ("forecasts", "latest", "actuals", "accuracy", "anomalies")
Prepare = Callable[[World], None]


@dataclass(frozen=True)
class Fault:
    """A fault of the third night.

    `prepare` changes files before it, `inject` acts inside its process. The night ends with one of `codes`, and its
    output has all of `words`. `undo` removes the cause before the rerun, which must publish what a night without the
    fault publishes, unless the fault has changed history (`same` is False).
    """

    name: str
    codes: tuple[int, ...]
    words: tuple[str, ...] = ()
    prepare: Prepare | None = None
    inject: Callable[[World], Inject] | None = None
    undo: Prepare | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    series: int | None = 2
    same: bool | str = True
    """Whether the rerun has the bytes of a night without the fault; "values": all columns but run_id are equal."""
    leaves: str = "nothing"
    """What the rerun leaves damaged, and fsck repairs or names: files of earlier nights that no night rewrites."""
    intact: bool = True
    """Whether the store has no other damage after the faulty night than the fault itself."""


def params(faults: list[Fault], fast: tuple[str, ...]) -> list[object]:
    """Return the faults as pytest parameters; all but those named in `fast` are slow."""
    assert {fault.name for fault in faults} >= set(fast)
    assert len({fault.name for fault in faults}) == len(faults)
    marks = {fault.name: () if fault.name in fast else (pytest.mark.slow,) for fault in faults}
    return [pytest.param(fault, id=fault.name.replace(" ", "-"), marks=marks[fault.name]) for fault in faults]


def survives(fault: Fault, world: World, undisturbed: dict[str, bytes]) -> tuple[list[str], Ended, Ended]:
    """Run a night with the fault and one without; return what was wrong, and how both ended."""
    before = published(world.lasting())
    if fault.prepare:
        fault.prepare(world)
    inject = fault.inject(world) if fault.inject else None
    ended = world.night(NIGHT, inject=inject, environment=fault.environment)
    wrong = [] if ended.code in fault.codes else [f"exit code {ended.code}, expected {fault.codes}: {ended.output}"]
    wrong += [f"the output does not say {word!r}: {ended.output}" for word in fault.words if word not in ended.output]
    if ended.code >= 0:
        wrong += output_violations(ended)
    if fault.intact:
        found = violations(world, fault.series)
        unfinished = ("9:", "2: latest") if ended.code < 0 else ()
        wrong += [f"before the rerun: {text}" for text in found if not text.startswith(unfinished)]
    if ended.code > 0 and not fault.prepare:
        lost = [name for name, data in before.items() if published(world.lasting()).get(name) != data]
        wrong += [f"a failed night changed {name}" for name in lost if not name.startswith("latest")]
    if fault.undo:
        fault.undo(world)
    again = world.night(NIGHT)
    wrong += [f"exit code {again.code} of the rerun: {again.output}"] if again.code else []
    wrong += output_violations(again)
    wrong += [text for text in violations(world, fault.series if not fault.same else 2) if fault.leaves not in text]
    if fault.same == "values":
        wrong += different_values(world, undisturbed)
    elif fault.same:
        wrong += differences(world.lasting(), undisturbed)
    return wrong, ended, again


def different_values(world: World, undisturbed: dict[str, bytes]) -> list[str]:
    """Return which published tables differ in another column than run_id, which names the digest of the source."""
    wrong = []
    for name, data in undisturbed.items():
        if name.split("/")[0] in TABLES:
            now, then = pd.read_parquet(world.store / name), pd.read_parquet(io.BytesIO(data))
            if not now.drop(columns="run_id", errors="ignore").equals(then.drop(columns="run_id", errors="ignore")):
                wrong.append(f"5: {name} has other values")
    return wrong


def published(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files that readers use."""
    return {name: data for name, data in files.items() if name.split("/")[0] in PUBLISHED}


def differences(files: dict[str, bytes], undisturbed: dict[str, bytes]) -> list[str]:
    """Return how a store differs from that of a night without a fault. It may have more artifacts and pages."""
    wrong = [f"5: {name} differs" for name, data in undisturbed.items() if name in files and files[name] != data]
    wrong += [f"5: {name} is missing" for name in undisturbed if name not in files]
    extra = published(files).keys() - undisturbed.keys()
    return wrong + [f"5: {name} is published only after the fault" for name in sorted(extra)]
