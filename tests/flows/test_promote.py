"""The flow `promote`: a deployment of every pipeline, with a form; as a Python function it changes the champion."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_contracts.errors import SpecError
from deployments.server.deployment_catalogue import catalogue
from flows.promote import person, promote
from flows.runs.manual_change import ChampionChanged, ChangeRequest, change_champion
from flows.runs.origin import git_revision
from tasks.registry.champions import champion_at
from tasks.registry.manual_promotion import PromotionRefused
from tasks.storage.store import Store

FORMATS = Path(__file__).parents[1] / "formats"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of an earlier version without a registry: decisions name versions 1 and 2 of the same setup."""
    shutil.copytree(FORMATS / "pipelines", tmp_path / "pipelines")
    shutil.copytree(FORMATS / "night_store_2", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "pipelines"))
    store = Store(root=str(tmp_path / "store"))
    first, second = sorted((tmp_path / "store/decisions/pipeline=shop").glob("*.json"))
    record = json.loads(second.read_text())
    bundles = sorted((tmp_path / "store/artifacts/bundle").glob("*.safetensors"))
    other = next(path for path in bundles if path.stem != record["champion"]["bundle"]["digest"])
    champion = record["champion"] | {"version": "9"}
    champion["bundle"] = record["champion"]["bundle"] | {
        "digest": other.stem,
        "uri": f"artifacts/bundle/{other.name}",
    }
    first.write_text(json.dumps(json.loads(first.read_text()) | {"champion": champion}))
    return store


def version_now(store: Store) -> str:
    champion = champion_at("shop", datetime.now(UTC), store)
    assert champion is not None
    return champion.version


def test_every_pipeline_has_a_deployment_with_a_form() -> None:
    (deployment,) = [
        each for each in catalogue(None).deployments if each.name == "nyc-delays" and each.flow_name == "promote"
    ]
    schema = deployment._parameter_openapi_schema.model_dump()
    fields = schema["properties"]
    assert list(fields) == ["pipeline", "reason", "version"]
    assert schema["required"] == ["pipeline", "reason"]
    assert "nyc-delays" in fields["pipeline"]["enum"]
    assert [fields[name]["title"] for name in fields] == ["Pipeline", "Reason", "Version"]
    assert deployment.parameters == {"pipeline": "nyc-delays"}
    assert deployment.entrypoint == "flows.promote.promote"


def test_flow_promotes_and_says_who_and_why(shop: Store) -> None:
    before = version_now(shop)
    facts = promote.fn("shop", "weekends", 9)
    assert (facts["champion"].split()[-1], facts["previous"].split()[-1]) == ("v9", f"v{before}")
    assert (facts["by"], facts["reason"]) == (person(), "weekends")
    assert version_now(shop) == "9"
    with pytest.raises(SpecError, match="the reason is empty"):
        promote.fn("shop", " ", int(before))


def test_version_that_was_read_must_still_be_champion(shop: Store) -> None:
    before = version_now(shop)
    request = ChangeRequest("shop", "promote", "9", "weekends", "eve", if_current="77")
    with pytest.raises(ChampionChanged, match=rf"is \S+ v{before}, not version 77 as expected") as refused:
        change_champion(request)
    assert refused.value.exit_code == 1
    assert version_now(shop) == before
    change_champion(request._replace(if_current=before))
    assert version_now(shop) == "9"
    facts, text = change_champion(request._replace(if_current="9"))
    assert not facts["changed"]
    assert text.endswith("is champion of shop already: nothing was changed")


def test_rollback_returns_to_the_former_champion(shop: Store) -> None:
    facts, text = change_champion(ChangeRequest("shop", "rollback", reason="too high", by="eve"))
    assert version_now(shop) == "9"
    assert "was made champion again in the place of" in text
    assert text.endswith("To publish with it now: nightcast forecast shop")
    with pytest.raises(PromotionRefused, match="has no challenger"):
        change_champion(ChangeRequest("shop", "promote", reason="x", by="eve"))
    assert facts["notices"] == []


def test_git_revision_is_that_of_the_pipeline_file_or_empty(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("name: shop\n")
    assert git_revision(str(tmp_path / "shop.yaml"), None) == ""
    assert git_revision("no-such-pipeline", None) == ""
