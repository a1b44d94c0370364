"""The disk refuses, files of the store are damaged, the lease is wrong, the registry is gone or refuses."""

import contextlib
import errno
import json
import os
import shutil
import sqlite3

import pytest

from tests.faults.failpoints import REGISTRY_CALLS, fail_at
from tests.faults.scenario import Fault, params, survives

DEAD = {
    "token": 900,
    "owner": {
        "host": "elsewhere",
        "machine": "0123",
        "boot": "b",
        "space": "n",
        "pid": 1,
        "started": "1.0",
        "run": "nightly ports",
    },
    "seconds": 120.0,
    "taken": "2024-02-09T00:00:00Z",
    "expires": "2024-02-09T00:02:00Z",
}


def refuse(number, point=0):
    """Return an injection: from a change on, the operating system refuses every change of the store."""
    return lambda world: fail_at(point, world.store, lambda: OSError(number, os.strerror(number)))


def newest(world, pattern):
    return sorted(world.store.glob(pattern))[-1]


def decision(world):
    return json.loads(newest(world, "decisions/*/*.json").read_text())


def champion(world):
    return world.store / decision(world)["champion"]["bundle"]["uri"]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path):
    path.write_bytes(b"\x00\xffno such format\x00")


def delete(path):
    path.unlink()


def change(pattern, how):
    """Return a preparation that changes the newest file which matches."""
    return lambda world: how(newest(world, pattern))


def change_all(pattern, how):
    def prepare(world):
        for path in world.store.glob(pattern):
            if path.is_file():
                how(path)

    return prepare


def swap(world):
    first, second = sorted(world.store.glob("artifacts/raw*/*.parquet"))[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def write_lease(text):
    def prepare(world):
        folder = world.store / "leases/pipeline=ports"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "000000000900.json").write_text(text)

    return prepare


def lock_registry(world):
    """Another process holds a write lock of MLflow's database for the whole night."""
    world.lock = sqlite3.connect(world.store / "mlflow/mlflow.db", isolation_level=None)
    world.lock.execute("BEGIN EXCLUSIVE")


def unlock_registry(world):
    world.lock.rollback()
    world.lock.close()


def refuse_registry(name):
    def prepare(_world):
        def inject():
            from mlflow import MlflowClient

            def fail(*_args, **_options):
                raise ConnectionError(f"the server closed the connection in {name}")

            setattr(MlflowClient, name, fail)

        return inject

    return prepare


def beside(world):
    with contextlib.suppress(FileExistsError):
        (world.store / "notes").mkdir()


FAULTS = [
    Fault("disk full from the first write on", (1,), ("No space left",), inject=refuse(errno.ENOSPC)),
    Fault("disk full from the 40th change on", (1,), ("No space left",), inject=refuse(errno.ENOSPC, 40)),
    Fault("quota exceeded from the 80th change on", (1,), ("quota",), inject=refuse(errno.EDQUOT, 80)),
    Fault("read-only file system", (1,), ("Read-only",), inject=refuse(errno.EROFS)),
    Fault("permission denied", (1,), ("Permission denied",), inject=refuse(errno.EACCES)),
    Fault("input/output error from the 20th change on", (1,), ("Input/output",), inject=refuse(errno.EIO, 20)),
    Fault("too many open files from the 30th change on", (1,), ("Too many open files",), inject=refuse(errno.EMFILE, 30)),
    Fault("bit of the champion flipped", (0,), ("restored",), prepare=lambda world: flip(champion(world))),
    Fault("champion truncated", (0,), ("restored",), prepare=lambda world: truncate(champion(world))),
    Fault("champion deleted", (0,), ("restored",), prepare=lambda world: delete(champion(world))),
    Fault("champion emptied", (0,), ("restored",), prepare=lambda world: champion(world).write_bytes(b"")),
    Fault("latest deleted", (0,), prepare=change("latest/*/*", delete)),
    Fault("latest is garbage", (0,), prepare=change("latest/*/*", garbage)),
    Fault("yesterday's vintage truncated", (0,), prepare=change("forecasts/*/*/*", truncate), same=False, intact=False, leaves="vintage=2024-02-09"),
    Fault("yesterday's decision torn", (0,), prepare=change("decisions/*/*", truncate), same=False),
    Fault("yesterday's decision emptied", (0,), prepare=change("decisions/*/*", lambda path: path.write_bytes(b"")), same=False),
    Fault("yesterday's snapshot torn", (0,), prepare=change("snapshots/*/*", truncate), same=False),
    Fault("yesterday's snapshot deleted", (0,), prepare=change("snapshots/*/*", delete), same=False),
    Fault("manifests torn", (0,), prepare=change_all("runs/*/*", truncate)),
    Fault("manifests deleted", (0,), prepare=change_all("runs/*/*", delete)),
    Fault("cache torn", (0,), prepare=change_all("cache/*/*", truncate)),
    Fault("cache is garbage", (0,), prepare=change_all("cache/*/*", garbage)),
    Fault("cache deleted", (0,), prepare=lambda world: shutil.rmtree(world.store / "cache")),
    Fault("raw tables flipped", (0,), prepare=change_all("artifacts/raw*/*", flip), same=False, intact=False, leaves="artifacts/raw"),
    Fault("clean tables deleted", (0,), prepare=change_all("artifacts/clean*/*", delete), same=False),
    Fault("window tables truncated", (0,), prepare=change_all("artifacts/windows*/*", truncate), same=False, intact=False, leaves="artifacts/windows"),
    Fault("pages deleted", (0,), prepare=lambda world: shutil.rmtree(world.store / "reports"), same=False),
    Fault("lease is garbage", (0,), prepare=write_lease("{torn")),
    Fault("lease of a dead process of another machine", (0,), ("taken over",), prepare=write_lease(json.dumps(DEAD | {"seconds": 1.0}))),
    Fault("lease that claims 30,000 years", (1, 3), ("nightly ports",), prepare=write_lease(json.dumps(DEAD | {"seconds": 1e12})),
          environment={"NIGHTCAST_LEASE_WAIT": "2"}, undo=change_all("leases/*/*.json", delete)),
    Fault("half-written files are left", (0,), prepare=lambda world: garbage(world.store / "latest/pipeline=ports/.0123.part")),
    Fault("folder of a user in the store", (0,), prepare=beside, undo=lambda world: (world.store / "notes").rmdir(), intact=False),
    Fault("database of the registry deleted", (0,), prepare=change("mlflow/mlflow.db", delete), same=False, intact=False),
    Fault("database of the registry is garbage", (0,), prepare=change("mlflow/mlflow.db", garbage), same=False, intact=False, leaves="the registry cannot be read"),
    Fault("database of the registry emptied", (0,), prepare=lambda world: (world.store / "mlflow/mlflow.db").write_bytes(b""), same=False, intact=False),
    Fault("database of the registry locked", (0,), ("database is locked",), prepare=lock_registry, undo=unlock_registry, intact=False),
    Fault("files of the registry deleted", (0,), prepare=lambda world: shutil.rmtree(world.store / "mlflow/artifacts")),
    Fault("registry server is down", (0,), ("register",), environment={"NIGHTCAST_MLFLOW_URI": "http://127.0.0.1:9"}, intact=False),
    *(Fault(f"registry refuses {name}", (0,), prepare=None, inject=refuse_registry(name), intact=False) for name in REGISTRY_CALLS),
]  # fmt: skip


@pytest.mark.parametrize(
    "fault", params(FAULTS, ("disk full from the 40th change on", "bit of the champion flipped", "cache torn"))
)
def test_night_survives(fault, world, undisturbed, report_fault):
    wrong, ended, again = survives(fault, world, undisturbed)
    report_fault(fault, ended, again)
    assert wrong == []
