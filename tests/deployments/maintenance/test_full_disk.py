"""`nightcast gc` on a disk without a free byte: it deletes, or says why it cannot."""

import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli.main import app
from deployments.maintenance.gc_plan import plan_collection
from deployments.maintenance.store_index import StoreIndex
from tasks.storage import files
from tasks.storage.store import Store
from tests.deployments.maintenance.conftest import PIPELINE, tracking_of

write, remove = files.write, files.remove


class FullDisk:
    """A disk without free space until a file of the store is deleted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.removed = 0, list[str]()
        monkeypatch.setattr(files, "write", self.write)
        monkeypatch.setattr(files, "remove", self.remove)

    def write(self, root: str, uri: str, data: bytes, **options: bool) -> bool:
        if len(data) > self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.free -= len(data)
        return write(root, uri, data, **options)

    def remove(self, root: str, uri: str) -> None:
        path = Path(root) / uri
        self.free += path.stat().st_size if path.exists() else 0
        self.removed.append(uri)
        remove(root, uri)


@pytest.fixture
def aged(store: Store) -> Store:
    """Three nights of which every file is two days old."""
    then = datetime.now(UTC) - timedelta(days=2)
    for path in Path(store.root).rglob("*"):
        os.utime(path, (then.timestamp(), then.timestamp()))
    return store


def collect(*options: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(app, ["gc", *options, "--apply", "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def test_collection_makes_room_for_its_own_records_and_deletes_the_same(aged, monkeypatch) -> None:
    root = Path(aged.root)
    plan = plan_collection(StoreIndex(aged), timedelta(days=1), tracking_of(root))
    planned = {garbage.uri for garbage in plan.files}
    disk = FullDisk(monkeypatch)
    code, facts = collect("--keep", "1d")
    assert (code, facts["applied"], facts["files"]) == (0, True, len(planned))
    assert not [uri for uri in planned if (root / uri).exists()]
    assert disk.removed[0].startswith(("reports/", "cache/"))  # no run reads them
    assert (root / f"retention/pipeline={PIPELINE}.json").exists()
    assert CliRunner().invoke(app, ["fsck"]).exit_code == 0


def test_full_disk_without_anything_to_delete_is_named_with_the_way_out(store, monkeypatch) -> None:
    disk = FullDisk(monkeypatch)
    code, facts = collect("--keep", "90d")
    assert (code, facts["error"], disk.removed) == (1, "StoreFull", [])
    assert facts["message"].startswith(f"the disk of the store '{store.root}' is full, and no file of the store may be")
    assert "nightcast gc --keep 30d --apply" in str(facts["message"])


def test_store_that_refuses_a_lease_is_named(aged, monkeypatch) -> None:
    def refuse(root: str, uri: str, data: bytes, **options: bool) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files, "write", refuse)
    code, facts = collect("--keep", "1d")
    assert (code, facts["error"]) == (1, "StoreUnusable")
    assert f"cannot write the lease of pipeline '{PIPELINE}' to the store '{aged.root}'" in str(facts["message"])
    assert "Check the permissions of its folder leases/" in str(facts["message"])
