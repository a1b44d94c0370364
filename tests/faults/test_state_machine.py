"""Random sequences of nights, reruns, kills, rewritten history, damage and repair, against a model of the store.

The model knows which nights are published, with which values, and which model is champion after each. A night is a
function of its as-of, the table and the incumbent: whatever came before, it publishes the same values; only the
number of the model's version depends on the order. All sequences share what the computing steps have stored, so that
only the commits of a night are executed again.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tasks.registry.database import ensure_database
from tests.faults.failpoints import kill_at
from tests.faults.harness import World
from tests.faults.invariants import output_violations, violations

DAYS = ("2024-02-06", "2024-02-07", "2024-02-08", "2024-02-09")
SHARED = tuple(f"artifacts/{kind}" for kind in ("raw", "clean", "windows", "bundle", "drawing", "backtest", "scores"))
SHARED += tuple(
    f"cache/{step}" for step in ("ingest", "validate", "list_revisions", "cut_windows", "train", "draw_memory")
)
SHARED += ("cache/evaluate",)  # what later steps remember would tell fsck of commits that this store never had
OLD_S = 3 * 86400.0
MAX_POINTS = 260  # a night has about as many points at which it can be killed
DAMAGES = (
    "latest deleted",
    "latest damaged",
    "champion flipped",
    "cache deleted",
    "manifests torn",
    "registry deleted",
)


class Night(NamedTuple):
    """What a night depends on: its day, the version of the table, and the digest of the incumbent."""

    day: int
    version: int
    incumbent: str


class Result(NamedTuple):
    """What a night leaves: the digest of the published table, and the digest of the champion."""

    published: str
    champion: str


class Sequences:
    """The world of all sequences, its empty start, the shared files, and the results of all nights so far."""

    def __init__(self, world: World, versions: tuple[pd.DataFrame, ...]) -> None:
        self.world, self.versions = world, versions
        self.pool, self.results = world.folder.with_name("pool"), dict[Night, Result]()

    def begin(self) -> None:
        self.world.reset()
        for kind in SHARED:
            if (self.pool / kind).exists():
                shutil.copytree(self.pool / kind, self.world.store / kind, copy_function=os.link, dirs_exist_ok=True)

    def share(self) -> None:
        for kind in SHARED:
            for path in (self.world.store / kind).rglob("*"):
                target = self.pool / path.relative_to(self.world.store)
                if path.is_file() and not path.name.startswith(".") and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.link(path, target)


def digest(path: Path) -> str:
    """Return the digest of a published table without the number of the model's version; empty if it is missing."""
    if not path.exists():
        return ""
    table = pq.ParquetFile(path, page_checksum_verification=True).read().to_pandas()
    return hashlib.sha256(table.drop(columns=["model_version", "run_id"]).to_csv().encode()).hexdigest()


def replace_bytes(path: Path, data: bytes) -> None:
    path.unlink()  # the pool has a link to the same bytes
    path.write_bytes(data)


def without_drift() -> None:
    """Leave out Evidently, which takes half of the time of a night and commits nothing that others rely on."""
    from tasks.drift import watch_drift

    def fail(**_inputs):
        raise OSError("left out")

    watch_drift.fn = fail


class StoreMachine(RuleBasedStateMachine):
    """Commands and faults as rules; what the store and the registry must say as invariants."""

    sequences: Sequences

    @initialize()
    def begin(self) -> None:
        self.sequences.begin()
        self.world, self.version = self.sequences.world, 0
        self.results: dict[int, Result] = {}
        self.uncertain: set[int] = set()
        self.flipped: set[str] = set()
        self.registry_is_complete = self.records_are_readable = self.is_in_order = self.is_repaired = True

    def incumbent(self, day: int) -> str:
        return next(
            (self.results[earlier].champion for earlier in sorted(self.results, reverse=True) if earlier < day), ""
        )

    def vintage(self, day: int) -> Path:
        return self.world.store / f"forecasts/pipeline=ports/vintage={DAYS[day]}T000000Z/forecasts.parquet"

    def decided(self, day: int) -> str:
        path = self.world.store / f"decisions/pipeline=ports/vintage={DAYS[day]}T000000Z.json"
        champion = json.loads(path.read_text())["champion"] if path.exists() else None
        return champion["bundle"]["digest"] if champion else ""

    @rule(day=st.integers(0, len(DAYS) - 1))
    def run_night(self, day: int) -> None:
        night = Night(day, self.version, self.incumbent(day))
        self.is_in_order &= day >= max([day, *self.results, *self.uncertain])
        ended = self.world.night(DAYS[day], inject=without_drift)
        assert ended.code == 0, ended.output
        assert output_violations(ended) == []
        result = Result(digest(self.vintage(day)), self.decided(day))
        assert self.sequences.results.setdefault(night, result) == result, f"{night} has another result than before"
        self.results[day] = result
        self.uncertain.discard(day)
        self.sequences.share()

    @rule(day=st.integers(0, len(DAYS) - 1), point=st.integers(0, MAX_POINTS))
    def kill_night(self, day: int, point: int) -> None:
        kill = kill_at(point, self.world.store)
        self.is_in_order &= day >= max([day, *self.results, *self.uncertain])
        ended = self.world.night(DAYS[day], inject=lambda: (without_drift(), kill()))
        assert ended.code in (-9, 0), ended.output
        self.uncertain.add(day)
        self.sequences.share()
        self.run_night(day)  # the champion of later nights is known only then

    @rule(version=st.integers(0, 2))
    def rewrite_history(self, version: int) -> None:
        self.version = version
        self.world.write_table(self.sequences.versions[version])

    @precondition(lambda self: self.results)
    @rule(kind=st.sampled_from(DAMAGES))
    def damage(self, kind: str) -> None:
        store = self.world.store
        latest = store / "latest/pipeline=ports/forecasts.parquet"
        if kind == "latest deleted":
            latest.unlink(missing_ok=True)
        elif kind == "latest damaged" and latest.exists():
            latest.write_bytes(latest.read_bytes()[:200])
        elif kind == "cache deleted":
            shutil.rmtree(store / "cache")
        elif kind == "manifests torn":
            for path in store.glob("runs/*/*.json"):
                path.write_text(path.read_text()[:50])
            self.records_are_readable = False  # the night below mends that of its own run only
        elif kind == "registry deleted":
            (store / "mlflow/mlflow.db").unlink(missing_ok=True)
            self.registry_is_complete = False
        elif kind == "champion flipped" and (champion := self.results[max(self.results)].champion):
            path = store / f"artifacts/bundle/{champion}.safetensors"
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            replace_bytes(path, bytes(data))
            self.flipped.add(champion)
        self.run_night(max(self.results))
        # a night on another history trains another champion, and reads and mends the one that it replaces no more
        self.flipped -= {result.champion for result in self.results.values()}

    @precondition(lambda self: self.results)
    @rule()
    def repair(self) -> None:
        repaired = self.world.run("fsck", "--repair")
        if not self.records_are_readable and repaired.code:  # a manifest is moved away, and only its night writes it
            assert "is missing, but its night wrote a page" in repaired.output, repaired.output
            self.is_repaired = False
        assert repaired.code == 0 or not self.is_repaired, repaired.output
        checked = self.world.run("fsck")
        assert checked.code == 0 or not self.is_repaired, checked.output
        self.registry_is_complete = self.records_are_readable = True
        self.flipped.clear()

    @precondition(lambda self: self.results)
    @rule()
    def collect_garbage(self) -> None:
        old = time.time() - OLD_S
        for path in self.world.store.rglob("*"):
            os.utime(path, (old, old))  # gc keeps files younger than a day
        collected = self.world.run("gc", "--keep", "1d", "--apply")
        if not self.records_are_readable:  # it does not know what they need, and deletes nothing
            assert collected.code == 0 or "cannot be read" in collected.output, collected.output
            return
        assert collected.code == 0, collected.output
        checked = self.world.run("fsck")
        mended = self.registry_is_complete and self.is_repaired and not self.flipped
        assert checked.code == 0 or not mended, checked.output

    @invariant()
    def store_is_whole(self) -> None:
        if hasattr(self, "world"):
            found = violations(self.world)
            if not self.is_in_order:  # a backfilled night takes nothing out of the tables of later nights
                found = [text for text in found if "does not differ from the one before" not in text]
            unused = tuple(f"1: artifacts/bundle/{champion}." for champion in self.flipped)
            found = [text for text in found if not (unused and text.startswith(unused))]
            assert [text for text in found if self.registry_is_complete or not text.startswith("9:")] == []

    @invariant()
    def store_says_what_the_model_says(self) -> None:
        for day, result in getattr(self, "results", {}).items():
            assert digest(self.vintage(day)) == result.published, f"the vintage of {DAYS[day]} changed"
            assert self.decided(day) == result.champion, f"the decision of {DAYS[day]} changed"
        for day in range(len(DAYS)):
            if hasattr(self, "world") and day not in self.results and day not in self.uncertain:
                assert not self.vintage(day).exists(), f"{DAYS[day]} was published, and no night of it ran"


@pytest.fixture(scope="module")
def sequences(build_world, panel) -> Sequences:
    later = panel["hour_utc"] >= pd.Timestamp("2024-02-01T00:00Z")
    changed = panel.assign(late=panel["late"].where(~later, panel["late"] + 1))
    short = panel[panel["hour_utc"] >= pd.Timestamp("2024-01-04T00:00Z")]
    world = build_world("sequences")
    (world.store / "mlflow").mkdir(parents=True)
    ensure_database(world.store / "mlflow/mlflow.db")  # killed while it is created: see the commit phases
    world.save()
    return Sequences(world, (panel, changed, short))


def run_sequences(sequences: Sequences, count: int, seed: int) -> None:
    machine = type("Machine", (StoreMachine,), {"sequences": sequences})
    case = machine.TestCase
    case.settings = settings(
        max_examples=count,
        stateful_step_count=5,
        derandomize=False,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    from hypothesis import seed as with_seed

    with_seed(seed)(case.runTest)(case())


def test_four_sequences_keep_the_store_whole(sequences):
    run_sequences(sequences, 2, 1)


@pytest.mark.slow
@pytest.mark.timeout(20_000)
@pytest.mark.parametrize("seed", range(20))
def test_a_hundred_sequences_keep_the_store_whole(sequences, seed):
    run_sequences(sequences, 100, seed)
