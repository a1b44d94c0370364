"""All leases of a store are held at once, or none: a night of one pipeline does not wait for that of another."""

import threading
import time
from pathlib import Path

import pytest

from data_contracts.errors import LeaseHeld
from deployments.maintenance.leases import hold_all
from tasks.storage.lease import LeaseSettings, hold_lease, holder
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store

SETTINGS = LeaseSettings(seconds=30.0, wait=0.3)


def test_every_lease_is_held_and_released(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    with hold_all(["b", "a"], "gc", store, SETTINGS) as stores:
        assert sorted(stores) == ["a", "b"]
        for pipeline, fenced in stores.items():
            held = holder(store.root, pipeline)
            assert held
            assert held.owner.run == f"gc {pipeline}"
            fenced.write_json(f"retention/pipeline={pipeline}.json", {})
    assert holder(store.root, "a") is None


def test_busy_pipeline_is_named_and_the_others_are_free(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    with hold_lease(store.root, "b", current_process("nightly b"), SETTINGS):
        with pytest.raises(LeaseHeld, match="nightly b"), hold_all(["a", "b"], "gc", store, SETTINGS):
            pass
        assert holder(store.root, "a") is None


def test_waits_for_the_end_of_a_night(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    entered = threading.Event()

    def night() -> None:
        with hold_lease(store.root, "b", current_process("nightly b"), SETTINGS):
            entered.set()
            time.sleep(0.3)

    thread = threading.Thread(target=night)
    thread.start()
    entered.wait(5)
    with hold_all(["a", "b"], "gc", store, SETTINGS.model_copy(update={"wait": 20.0})) as stores:
        assert len(stores) == 2
    thread.join()
