"""`nightcast retract`: readers no longer see the vintage, no schedule publishes it again, and fsck is content."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_contracts.errors import SpecError
from deployments.commands.retract import NoSuchVintage, retract_vintage
from deployments.commands.show import newest_forecasts
from deployments.maintenance.fsck import check_store
from deployments.maintenance.gc import collect_garbage
from flows.pipeline.schedule import list_vintages, missing_nights
from flows.pipeline.spec import PipelineSpec
from flows.runs.future import VintageRetracted, refuse_retracted
from flows.runs.page_context import collect_page_context
from flows.settings import Settings
from tasks.storage import vintages
from tasks.storage.retractions import list_retractions, retracted_since_last_night, retraction_of
from tasks.storage.snapshots import restore_latest_history
from tasks.storage.store import Store

FORMATS = Path(__file__).parents[2] / "formats"
NIGHTS = [datetime(2024, 2, day, tzinfo=UTC) for day in (28, 29)]
RECORD = "retracted/pipeline=shop/vintage=2024-02-29T000000Z.json"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of an earlier version, with the vintages of 28 and 29 February 2024."""
    shutil.copytree(FORMATS / "pipelines", tmp_path / "pipelines")
    shutil.copytree(FORMATS / "night_store_2", tmp_path / "store")
    for path in (tmp_path / "store").rglob("*"):
        path.chmod(path.stat().st_mode & ~0o022)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "pipelines"))
    return Store(root=str(tmp_path / "store"))


def path_of(store: Store, uri: str) -> Path:
    return Path(store.root) / uri


def damage(store: Store) -> list[str]:
    """The findings of fsck that are about what readers see."""
    findings = check_store([], repair=False)[0]["findings"]
    words = ("forecasts/", "latest/", "retracted/", "artifacts/forecasts/")
    return [
        f"{each['file']} {each['message']}"
        for each in findings
        if each["file"].startswith(words) and each["state"] == "bad"
    ]


def vintage(night: datetime) -> str:
    return f"forecasts/pipeline=shop/vintage={night:%Y-%m-%dT%H%M%SZ}/forecasts.parquet"


def test_show_and_the_page_of_the_next_night_name_a_retraction(shop: Store) -> None:
    retract_vintage("shop", "2024-02-29", "wrong calendar")
    (sentence,) = newest_forecasts("shop", None)[0]["retracted"]
    assert sentence.startswith("the vintage as of 2024-02-29 00:00 UTC was retracted by ")
    assert f"Retracted     {sentence}" in newest_forecasts("shop", None)[1]
    spec = PipelineSpec.read("shop", Settings().pipelines)
    retracted = [
        collect_page_context(spec, night, Settings()).retracted for night in (*NIGHTS, datetime(2024, 3, 1, tzinfo=UTC))
    ]
    assert retracted == [(), (), (sentence,)]


def test_retraction_of_an_older_vintage_is_news_only_until_the_next_night(shop: Store) -> None:
    retract_vintage("shop", "2024-02-28", "wrong calendar")
    record = retraction_of("shop", NIGHTS[0], shop)
    assert record is not None
    assert retracted_since_last_night("shop", datetime(2024, 3, 1, tzinfo=UTC), shop) == ()
    assert retracted_since_last_night("shop", record.at + timedelta(hours=1), shop) == (record,)


def test_retracted_vintage_leaves_forecasts_and_latest_moves_back(shop: Store) -> None:
    assert damage(shop) == []
    before, rows = path_of(shop, vintage(NIGHTS[0])).read_bytes(), path_of(shop, vintage(NIGHTS[1])).read_bytes()
    facts, text = retract_vintage("shop", "2024-02-29", " wrong\ncalendar ")
    assert not path_of(shop, vintage(NIGHTS[1])).parent.exists()
    assert path_of(shop, "latest/pipeline=shop/forecasts.parquet").read_bytes() == before
    assert (facts["vintage"], facts["latest"]) == ("2024-02-29T000000Z", "2024-02-28T000000Z")
    record = json.loads(path_of(shop, RECORD).read_text())
    assert (record["reason"], record["as_of"]) == ("wrong calendar", "2024-02-29T00:00:00Z")
    assert "@" in record["by"]
    assert path_of(shop, record["table"]["uri"]).read_bytes() == rows
    assert "nightcast nightly shop --as-of 2024-02-29T00:00:00Z --force" in text
    assert list(list_vintages("shop", shop)) == [NIGHTS[0]]
    later = datetime(2024, 3, 1, tzinfo=UTC)
    assert [past.as_of for past in vintages.list_published_before("shop", later, 9, shop)] == [NIGHTS[0]]
    assert damage(shop) == []


def test_retracted_night_is_not_missing_and_is_not_published_by_a_schedule(shop: Store) -> None:
    spec = PipelineSpec.read("shop", path_of(shop, "../pipelines"))
    retract_vintage("shop", "2024-02-29T000000Z", "wrong calendar")
    assert missing_nights(spec, NIGHTS, shop) == []
    for flow in ("nightly", "forecast"):
        with pytest.raises(VintageRetracted, match=rf": wrong calendar\. .* nightcast {flow} shop --as-of .* --force"):
            refuse_retracted("shop", "shop", flow, NIGHTS[1], shop)
    refuse_retracted("shop", "shop", "monitor", NIGHTS[1], shop)
    refuse_retracted("shop", "shop", "nightly", NIGHTS[0], shop)


def test_vintage_that_is_published_again_counts_as_published(shop: Store) -> None:
    retract_vintage("shop", "2024-02-29", "wrong calendar")
    retraction = retraction_of("shop", NIGHTS[1], shop)
    assert retraction is not None
    assert retraction.table is not None
    vintages.publish(retraction.table, "shop", NIGHTS[1], shop)
    restore_latest_history("shop", NIGHTS[1], shop)
    assert list_retractions("shop", shop) == {}
    assert "published_again" in json.loads(path_of(shop, RECORD).read_text())
    assert damage(shop) == []


def test_retraction_that_was_killed_half_way_is_found_and_completed(shop: Store) -> None:
    rows = path_of(shop, vintage(NIGHTS[1])).read_bytes()
    retract_vintage("shop", "2024-02-29", "wrong calendar")
    shop.put_at(rows, "forecasts", vintage(NIGHTS[1]))
    shop.put_at(rows, "forecasts", "latest/pipeline=shop/forecasts.parquet")
    found = damage(shop)
    assert f"{vintage(NIGHTS[1])} is published, but was retracted" in found
    assert any(each.startswith("latest/") for each in found)
    facts, _ = retract_vintage("shop", "2024-02-29", "again")
    assert (facts["reason"], damage(shop)) == ("wrong calendar", [])
    shop.put_at(rows, "forecasts", vintage(NIGHTS[1]))
    check_store([], repair=True)
    assert damage(shop) == []
    assert not path_of(shop, vintage(NIGHTS[1])).exists()


def test_last_vintage_leaves_no_latest(shop: Store) -> None:
    retract_vintage("shop", "2024-02-29", "x")
    facts, _ = retract_vintage("shop", "2024-02-28", "x")
    assert facts["latest"] is None
    assert not path_of(shop, "latest/pipeline=shop/forecasts.parquet").exists()
    assert damage(shop) == []


def test_torn_record_is_reported_and_written_again(shop: Store) -> None:
    retract_vintage("shop", "2024-02-29", "wrong calendar")
    path_of(shop, RECORD).write_text('{"as_of"')
    assert any("retracted/" in each and "torn" in each for each in damage(shop))
    retract_vintage("shop", "2024-02-29", "wrong calendar")
    assert damage(shop) == []


def test_gc_keeps_what_was_retracted(shop: Store) -> None:
    retract_vintage("shop", "2024-02-29", "wrong calendar")
    retraction = retraction_of("shop", NIGHTS[1], shop)
    assert retraction is not None
    assert retraction.table is not None
    collect_garbage("0d", apply=True)
    assert shop.contains(retraction.table)
    assert path_of(shop, RECORD).exists()


@pytest.mark.parametrize("name", ["2024-02-27", "vintage=2024-02-29T000001Z", "2024-02-29T05:00"])
def test_unknown_vintage_names_the_nearest(shop: Store, name: str) -> None:
    with pytest.raises(NoSuchVintage, match="2024-02-28T000000Z, 2024-02-29T000000Z") as unknown:
        retract_vintage("shop", name, "x")
    assert unknown.value.exit_code == 2


def test_reason_is_required(shop: Store) -> None:
    with pytest.raises(SpecError, match="the reason is empty"):
        retract_vintage("shop", "2024-02-29", " ")
    assert path_of(shop, vintage(NIGHTS[1])).exists()
