"""`nightcast champion`: restore a damaged champion from a copy, else by a former champion, else say what to do."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_contracts.errors import NoChampion
from deployments.commands.champion import ChampionLost, restore_champion, show_champion
from flows.runs.manual_change import ChangeRequest, change_champion
from tasks.modeling.candidate import Candidate
from tasks.registry.champions import champion_at, champion_before
from tasks.registry.reachability import RegistryUnreachable
from tasks.storage.store import Store

FORMATS = Path(__file__).parents[2] / "formats"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of an earlier version, whose champion was promoted on 29 February 2024."""
    shutil.copytree(FORMATS / "pipelines", tmp_path / "pipelines")
    shutil.copytree(FORMATS / "night_store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "pipelines"))
    return tmp_path


def champion_of(shop: Path) -> Candidate:
    champion = champion_at("shop", NOW, Store(root=str(shop / "store")))
    assert champion is not None
    return champion


def test_intact_champion_is_shown_and_not_touched(shop: Path) -> None:
    label = champion_of(shop).label
    assert show_champion("shop")[1].splitlines() == [
        f"champion {label} of shop is intact",
        "champion since the night of 2024-02-29 00:00 UTC: gru-8-no_skip-no_blend (0.2004) beats every baseline, and "
        "there was no champion",
    ]
    facts, text = restore_champion("shop", drop=False)
    assert (facts["done"], text) == ("nothing", f"champion {label} is intact: nothing was restored")


def test_registry_that_does_not_answer_is_one_sentence(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    sentence = "the registry at http://…@127.0.0.1:9 does not answer. Start it, or correct NIGHTCAST_MLFLOW_URI."
    assert show_champion("shop")[1].splitlines()[-1] == sentence
    with pytest.raises(RegistryUnreachable) as refused:
        change_champion(ChangeRequest("shop", "promote", version="7", reason="a better year"))
    assert str(refused.value) == (
        "the registry at http://…@127.0.0.1:9 does not answer. Nothing was changed. Start it, or correct "
        "NIGHTCAST_MLFLOW_URI, then run the same command again."
    )


def test_champion_is_restored_from_the_registry_in_the_store(shop: Path) -> None:
    champion = champion_of(shop)
    path = shop / "store" / champion.bundle.uri
    copy = shop / "store/mlflow/artifacts/1/artifacts/model/weights.safetensors"
    copy.parent.mkdir(parents=True)
    shutil.move(path, copy)
    assert "cannot be read" in show_champion("shop")[1]
    facts, _ = restore_champion("shop", drop=False)
    assert (facts["done"], path.read_bytes()) == ("restored", copy.read_bytes())
    assert show_champion("shop")[1].splitlines()[0].endswith("is intact")


def test_former_champion_is_champion_again_if_no_copy_is_left(shop: Path) -> None:
    champion = champion_of(shop)
    first = next(iter(sorted((shop / "store/decisions/pipeline=shop").glob("*.json"))))
    record = json.loads(first.read_text())
    former = next(
        path for path in (shop / "store/artifacts/bundle").glob("*.safetensors") if path.stem != champion.bundle.digest
    )
    bundle = champion.bundle.model_copy(update={"uri": f"artifacts/bundle/{former.name}", "digest": former.stem})
    old = Candidate(name="old", role="champion", version="0", bundle=bundle)
    record["champion"] = old.model_dump(mode="json")
    first.write_text(json.dumps(record))
    (shop / "store" / champion.bundle.uri).write_bytes(b"rot")
    facts, text = restore_champion("shop", drop=False)
    assert (facts["done"], facts["champion"]) == ("replaced", "old v0")
    assert text.endswith("former champion old v0 is champion again")
    store = Store(root=str(shop / "store"))
    now = champion_before("shop", datetime(2024, 3, 1, tzinfo=UTC), store)
    assert now is not None
    assert now.label == "old v0"
    again = champion_at("shop", datetime(2024, 2, 29, tzinfo=UTC), store)
    assert again == champion  # a night that is run again uses what it used on time
    assert not (shop / "store/leases/pipeline=shop").exists() or not list(
        (shop / "store/leases/pipeline=shop").glob("*.json")
    )


def test_lost_champion_without_a_former_one_names_the_ways_out(shop: Path) -> None:
    champion = champion_of(shop)
    (shop / "store" / champion.bundle.uri).unlink()
    with pytest.raises(ChampionLost, match="nightcast nightly shop --as-of 2024-02-29T00:00:00") as lost:
        restore_champion("shop", drop=False)
    assert lost.value.exit_code == 4
    assert "nightcast champion restore shop --drop" in str(lost.value)
    facts, _ = restore_champion("shop", drop=True)
    assert facts["done"] == "dropped"
    assert champion_at("shop", NOW, Store(root=str(shop / "store"))) is None
    with pytest.raises(NoChampion):
        show_champion("shop")


def test_pipeline_without_a_champion_says_so(shop: Path) -> None:
    shutil.rmtree(shop / "store/decisions")
    with pytest.raises(NoChampion, match="no night has promoted a model yet"):
        show_champion("shop")
