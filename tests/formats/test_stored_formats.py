"""Every stored record of version 0.1.0 is read: names in records, bundles and payloads do not change."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from data_contracts.odcs_compiler import read_contract
from deployments.server.notifications import NotificationFile
from flows.pipeline.alerts import AlertSpec
from flows.runs.events import FINISHED, QUARANTINE
from flows.runs.run_order import LABEL
from models.bundle import Bundle
from models.data.panel import Panel
from models.predict import predict
from models.restore import restore_network
from tasks.modeling.candidate import load_bundle
from tasks.registry.champions import champion_before
from tasks.results.manifest import newest, read_all
from tasks.storage import lease
from tasks.storage.contract_history import diff_since_last_run
from tasks.storage.process_identity import ProcessIdentity
from tasks.storage.snapshots import snapshot_before
from tasks.storage.store import Store
from tasks.storage.vintages import list_published_before

FORMATS = Path(__file__).parent
NEXT_NIGHT = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def store() -> Store:
    return Store(root=str(FORMATS / "night_store"))


def test_manifests_are_read_with_outcome_leaderboard_and_row_counts(store: Store) -> None:
    first, second = read_all(store, "shop")
    assert newest((first, second)) == second
    assert (second.run_id, second.flow, second.verdict) == ("5f8c5b9d7fbda472", "nightly", "watch")
    assert (second.champion, second.metric) == ("gru-8-no_skip-no_blend v2", "mase")
    assert second.published == "forecasts/pipeline=shop/vintage=2024-02-29T000000Z/forecasts.parquet"
    assert [row["model_name"] for row in second.leaderboard or ()][:2] == ["gru-8-no_skip-no_blend", "linear"]
    assert (second.row_counts["quarantined"], second.row_counts["set_aside"]) == (1, [])
    assert second.quarantine
    assert second.quarantine.startswith("quarantine/pipeline=shop/9b18e81f")
    assert second.events == ("nightcast.night.finished",)


def test_manifest_of_a_failed_run_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "runs/pipeline=shop"
    folder.mkdir(parents=True)
    shutil.copy(FORMATS / "failed_run.json", folder / "refused-nightly-2024-02-28T000000Z.json")
    (failed,) = read_all(Store(root=str(tmp_path)), "shop")
    assert (failed.outcome, failed.flow) == ("refused", "nightly")
    assert failed.reason.startswith("contract shop@1.0.0, rule 'never-negative'")


def test_champion_comes_from_the_stored_decision(store: Store) -> None:
    champion = champion_before("shop", NEXT_NIGHT, store)
    assert champion is not None
    assert (champion.name, champion.role, champion.version) == ("gru-8-no_skip-no_blend", "champion", "2")
    assert champion_before("shop", datetime(2024, 2, 29, tzinfo=UTC), store) is None


def test_champion_forecasts_the_published_values_again(store: Store) -> None:
    """The golden forecast: the bundle of the stored champion gives the numbers that it published."""
    champion = champion_before("shop", NEXT_NIGHT, store)
    snapshot = snapshot_before("shop", NEXT_NIGHT, store)
    assert champion is not None
    assert snapshot is not None
    bundle = load_bundle(champion, store)
    panel = Panel.from_frame(store.get(snapshot.clean), bundle.view)
    series = np.arange(len(panel.ids), dtype=np.int32)
    position = (panel.grid.get_loc(snapshot.cutoff) - panel.first).astype(np.int32)
    quantiles = predict(bundle, panel, series, position, 0.0)
    published = store.get(list_published_before("shop", NEXT_NIGHT, 1, store)[0].file).sort_values("unique_id")
    columns = ["q05", "q10", "q50", "q90", "q95"]
    np.testing.assert_allclose(quantiles[:, 0], published[columns].to_numpy(), rtol=1e-4)


def test_snapshot_names_its_tables_and_they_have_their_digests(store: Store) -> None:
    snapshot = snapshot_before("shop", NEXT_NIGHT, store)
    assert snapshot is not None
    assert snapshot.cutoff == datetime(2024, 2, 28, 23, tzinfo=UTC)
    assert (snapshot.raw.rows, snapshot.clean.contract) == (len(store.get(snapshot.raw)), "clean@1.0.0")
    assert store.contains(snapshot.clean)


def test_stored_contract_equals_the_compiled_document(store: Store) -> None:
    contract = read_contract(FORMATS / "pipelines/shop-contract.yaml")
    assert diff_since_last_run(contract, "shop", NEXT_NIGHT, store) == ()
    looser = contract.model_copy(update={"rules": ()})
    removed = diff_since_last_run(looser, "shop", NEXT_NIGHT, store)
    assert ("breaking", "rule 'never-negative'") in [(change.effect, change.where) for change in removed]


@pytest.mark.parametrize(("file", "kind"), [("recurrent", "recurrent"), ("linear", "linear")])
def test_bundle_is_read_and_written_with_the_same_bytes(file: str, kind: str) -> None:
    data = (FORMATS / f"bundle_{file}.safetensors").read_bytes()
    bundle = Bundle.from_bytes(data)
    assert bundle.kind == kind
    assert bundle.to_bytes() == data


def test_network_of_a_stored_bundle_takes_its_tensors() -> None:
    bundle = Bundle.from_bytes((FORMATS / "bundle_recurrent.safetensors").read_bytes())
    network = restore_network(bundle)
    stored = {name.removeprefix("net.") for name in bundle.tensors if name.startswith("net.")}
    assert stored == set(network.state_dict())


def test_lease_is_read_with_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "leases/pipeline=shop"
    folder.mkdir(parents=True)
    shutil.copy(FORMATS / "lease.json", folder / "000000000001.json")
    held = lease.holder(str(tmp_path), "shop")
    assert held is not None
    assert (held.token, held.owner.run, held.owner.pid) == (1, "nightly shop as of 2024-02-29", 4711)
    assert held.seconds == 120


def test_label_of_a_flow_run_is_read_as_its_process() -> None:
    labels = json.loads((FORMATS / "flow_run_labels.json").read_text(encoding="utf-8"))
    owner = ProcessIdentity.model_validate_json(labels[LABEL])
    assert (owner.host, owner.run) == ("build-1", "nightly shop as of 2024-02-29")


def test_event_names_and_payload_keys_are_those_of_stored_automations() -> None:
    stored = json.loads((FORMATS / "events.json").read_text(encoding="utf-8"))
    assert set(stored) == {FINISHED, QUARANTINE}
    assert {key for payload in stored.values() for key in payload} == {"told"}
    assert set(AlertSpec.model_fields) == {"quarantine", "promotion", "retrain", "cooldown"}


def test_notification_block_keeps_its_slug_and_fields() -> None:
    stored = json.loads((FORMATS / "notification_block.json").read_text(encoding="utf-8"))
    assert NotificationFile.get_block_type_slug() == stored["slug"]
    assert NotificationFile(**stored["data"]).path == "notices.txt"
