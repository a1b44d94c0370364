"""Broken records and bundles of a store, through the functions that nights read them with: Nightcast's errors only."""

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.golden import check_golden_forecast
from tasks.registry.champions import champion_at, champion_before, list_former_champions
from tasks.results.manifest import read_all
from tasks.storage import contract_history, snapshots
from tasks.storage.lease import LeaseSettings, hold_lease, holder
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store
from tasks.storage.vintages import list_published_before
from tests.faults.mutations import mutate_bytes, mutate_json

FORMATS = Path(__file__).parents[1] / "formats"
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
NO_WAIT = LeaseSettings(seconds=5, wait=0)


def use_lease(store: Store) -> None:
    holder(store.root, "shop")
    with hold_lease(store.root, "shop", current_process("nightly shop"), NO_WAIT) as lease:
        store.with_lease(lease).write_json("runs/pipeline=shop/x.json", {})


def use_decisions(store: Store) -> None:
    champion_at("shop", AS_OF, store)
    champion_before("shop", AS_OF, store)
    list_former_champions("shop", AS_OF, store)


def use_bundle(store: Store) -> None:
    for file in sorted(Path(store.root).glob("artifacts/bundle/*"))[:1]:
        check_golden_forecast(Bundle.from_bytes(file.read_bytes()))


RECORDS: dict[str, tuple[str, Callable[..., bytes], Callable[[Store], Any]]] = {
    "lease": ("leases/pipeline=shop/000000000007.json", mutate_json, use_lease),
    "snapshot": ("snapshots/*/*.json", mutate_json, lambda store: snapshots.snapshot_before("shop", AS_OF, store)),
    "contract": (
        "contracts/*/*.json",
        mutate_json,
        lambda store: contract_history.diff_since_last_run(None, "shop", AS_OF, store),
    ),
    "manifest": ("runs/*/*.json", mutate_json, lambda store: read_all(store, "shop")),
    "decision": ("decisions/*/*.json", mutate_json, use_decisions),
    "published": ("forecasts/*/*/*", mutate_bytes, lambda store: list_published_before("shop", AS_OF, 9, store)),
    "bundle": ("artifacts/bundle/*", mutate_bytes, use_bundle),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("records") / "store"
    shutil.copytree(FORMATS / "night_store", root)
    lease = root / "leases/pipeline=shop/000000000007.json"
    lease.parent.mkdir(parents=True)
    shutil.copy(FORMATS / "lease.json", lease)
    return Store(root=str(root))


@pytest.mark.parametrize("count", [25, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", RECORDS)
def test_broken_record_raises_errors_of_nightcast_only(store: Store, kind: str, count: int) -> None:
    pattern, mutate, use = RECORDS[kind]
    file = sorted(Path(store.root).glob(pattern))[0]
    original, failed = file.read_bytes(), []
    for number in range(count):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(mutate(original, random.Random(f"{kind} {number}")))  # noqa: S311 - no secret
        try:
            use(store)
        except NightcastError:
            pass
        except Exception as error:  # noqa: BLE001 - any other error is what this test looks for
            failed.append(f"{kind} {number}: {type(error).__name__}: {error}")
        finally:
            for other in file.parent.glob("*"):
                if other.name != file.name and kind == "lease":
                    other.unlink()
            file.write_bytes(original)
    assert failed == []
