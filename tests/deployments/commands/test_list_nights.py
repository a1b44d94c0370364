"""`nightcast list`: pipelines of the folder and of the store, with their last night, next night and state."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from deployments.commands.list_nights import list_nights
from flows.pipeline.files import list_pipelines
from tasks.storage.store import Store

NOW = datetime(2024, 2, 10, 12, tzinfo=UTC)
SPEC = {"source": {"kind": "csv", "path": "x.csv"}, "columns": {"ds": "t", "y": "v"}, "freq": "h"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    return tmp_path


def write_pipeline(world: Path, name: str, **fields: object) -> None:
    (world / f"mine/{name}.yaml").write_text(yaml.safe_dump({"name": name, **SPEC, **fields}), encoding="utf-8")


def write_run(world: Path, pipeline: str, as_of: str, **fields: object) -> None:
    record = {"as_of": as_of, "pipeline": pipeline, "flow": "nightly", "finished": as_of, **fields}
    Store(root=str(world / "store")).write_json(f"runs/pipeline={pipeline}/{as_of[:10]}.json", record)


def records() -> dict[str, dict[str, object]]:
    facts, _ = list_nights(NOW)
    return {record["name"]: record for record in facts["pipelines"]}


def test_state_of_each_pipeline(world: Path) -> None:
    write_pipeline(world, "fresh", schedule={"cron": "0 3 * * *", "timezone": "Europe/Berlin"})
    write_pipeline(world, "ended", schedule={"as_of": "2024-02-01"})
    write_pipeline(world, "refused", schedule={"as_of": "2024-02-01"})
    write_pipeline(world, "late")
    (world / "mine/broken.yaml").write_text("name: [", encoding="utf-8")
    write_run(world, "ended", "2024-02-01T00:00:00+00:00", outcome="done", verdict="good", champion="gru v3")
    failed = {"outcome": "refused", "headline": "The source does not exist: nothing new was published."}
    write_run(world, "refused", "2024-02-01T00:00:00+00:00", **failed)
    write_run(world, "late", "2024-02-08T03:00:00+00:00", outcome="done", verdict="good")
    write_run(world, "gone", "2023-01-01T00:00:00+00:00", outcome="done", verdict="watch")
    listed = records()
    states = {name: record["state"] for name, record in listed.items() if name != "nyc-delays"}
    assert states == {
        "broken": "broken", "ended": "good", "fresh": "never ran", "gone": "watch", "late": "late", "refused": "refused"
    }  # fmt: skip
    assert listed["fresh"]["next_night"] == "2024-02-11T02:00:00+00:00"
    assert listed["ended"]["next_night"] is None
    assert listed["ended"]["champion"] == "gru v3"
    assert listed["refused"]["reason"] == failed["headline"]
    assert listed["gone"]["file"] is None
    assert "broken.yaml" in str(listed["broken"]["reason"])


def test_contract_beside_its_pipeline_is_no_pipeline(world: Path) -> None:
    """`nightcast init` writes both into one folder; the contract has the name of the pipeline too."""
    write_pipeline(world, "sales", schedule={"cron": "8 18 * * *"})
    for name in ("sales.odcs", "zzz"):
        write_pipeline(world, name, kind="DataContract", apiVersion="v3.1.0")
        (world / f"mine/{name}.yaml").rename(world / f"mine/{name}.yml")
    os.mkfifo(world / "mine/pipe.yaml")
    known = list_pipelines(world / "mine")
    assert known.keys() == {"sales", "pipe", "nyc-delays"}, "nobody waits for the writer of the pipe"
    (world / "mine/pipe.yaml").unlink()
    listed = records()
    assert listed.keys() == {"sales", "nyc-delays"}
    assert listed["sales"]["file"] == str(world / "mine/sales.yaml")
    assert listed["sales"]["next_night"] == "2024-02-10T18:08:00+00:00"


def test_text_and_json_name_the_same_pipelines(world: Path) -> None:
    write_pipeline(world, "fresh")
    facts, text = list_nights(NOW)
    json.dumps(facts)
    assert all(record["name"] in text for record in facts["pipelines"])
    assert "2024-02-11 03:00" in text
    assert "Times are UTC." in text
