"""`nightcast doctor`, over stores to which something has happened: it names it, the next step, and an exit code."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_contracts.errors import SpecError
from deployments.doctor.examine import examine
from flows.nightly import nightly
from tasks.storage import lease as lease_module
from tasks.storage.lease import LeaseSettings, acquire
from tasks.storage.process_identity import current_process
from tests.deployments.conftest import small_world

pytestmark = pytest.mark.usefixtures("prefect_server")
NIGHT, NOON = "2024-01-29T03:00Z", "2024-01-29T12:00Z"


@pytest.fixture(scope="module")
def published(tmp_path_factory, prefect_server):
    with pytest.MonkeyPatch.context() as patch:
        folder = small_world(tmp_path_factory.mktemp("doctor"), "small", end="2024-01-31")
        patch.setenv("NIGHTCAST_STORE", str(folder / "store"))
        nightly(str(folder / "pipelines/small.yaml"), NIGHT)
        return folder


@pytest.fixture
def world(published, tmp_path, monkeypatch):
    shutil.copytree(published, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "world/store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "world/pipelines"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return tmp_path / "world"


def told(as_of=NOON, max_age="26h"):
    """(part, state, what, step) of what is not good, but that the small world's network beats no baseline."""
    facts, _ = examine(["small"], max_age, as_of)
    found = [one for one in facts["findings"] if "not the champion's" not in one["told"]]
    return [(one["part"], one["state"], one["told"], one["step"]) for one in found if one["state"] != "good"]


def only(found, part="small"):
    (one,) = [each for each in found if each[0] == part]
    return one


def test_a_store_in_order_is_healthy_and_what_is_to_watch_is_said(world):
    facts, text = examine(["small"], "26h", NOON)
    assert (facts["healthy"], facts["exit_code"]) == (True, 0)
    assert text.splitlines()[-1] == "healthy, 2 to watch"
    assert "! prefect" in text
    assert "the newest forecasts are not the champion's" in text
    json.dumps(facts)


def test_three_missed_nights_are_named_with_the_command_that_runs_them(world):
    found = told("2024-02-01T12:00Z", "10d")
    _, state, what, step = only(found)
    assert state == "bad"
    assert what == "3 nights were missed: 2024-01-30 03:00, 2024-01-31 03:00, 2024-02-01 03:00 (UTC)"
    assert step == "nightcast backfill small --from 2024-01-30 --to 2024-02-01"


def test_a_night_that_is_due_just_now_is_not_missed_yet(world):
    assert told("2024-01-30T04:00Z") == told(NOON)


def test_forecasts_that_are_too_old_are_wrong(world):
    found = [one for one in told("2024-01-30T08:00Z", "26h") if "old" in one[2]]
    assert [(one[1], one[2]) for one in found] == [("bad", "newest forecasts: 2024-01-29 03:00 UTC, 29 h old")]


def test_a_latest_that_is_not_the_newest_vintage_or_is_torn_is_named_with_the_night_to_run_again(world):
    latest = world / "store/latest/pipeline=small/forecasts.parquet"
    latest.write_bytes(b"torn")
    _, state, what, step = only(told())
    assert (state, "is no whole table" in what) == ("bad", True)
    assert step == "nightcast nightly small --as-of 2024-01-29T03:00:00Z"


def test_a_dead_writer_is_named_and_a_living_one_is_fine(world):
    gone = current_process("nightly small as of 2024-01-29").model_copy(update={"started": "1"})
    acquire(str(world / "store"), "small", gone, LeaseSettings(wait=0))
    assert "died during the run" in only(told())[2]
    lease = acquire(
        str(world / "store"), "small", current_process("nightly small as of 2024-01-30"), LeaseSettings(wait=0)
    )
    facts, _ = examine(["small"], "26h", NOON)
    assert any("running: nightly small as of 2024-01-30" in one["told"] for one in facts["findings"])
    lease.release()
    assert lease_module.holder(str(world / "store"), "small") is None


def test_a_refused_night_is_named_with_its_reason_and_its_page(world):
    record = {
        "as_of": "2024-01-30T03:00:00+00:00",
        "outcome": "refused",
        "reason": "sales.csv broke:\n - x",
    }
    path = world / "store/runs/pipeline=small/refused-nightly-2024-01-30T030000Z.json"
    path.write_text(json.dumps(record | {"page": "reports/p/index.html"}))
    _, state, what, step = only(told())
    assert (state, step) == ("bad", "See reports/p/index.html")
    assert what == "the night as of 2024-01-30T03:00:00+00:00 was refused: sales.csv broke: x"


def test_weights_that_rot_and_a_registry_that_is_gone_are_named(world):
    decision = json.loads(next((world / "store/decisions/pipeline=small").glob("*.json")).read_text())
    if not decision["champion"]:
        decision["champion"] = {"name": "gru", "role": "champion", "version": "1", "bundle": bundle_of(world)}
        next((world / "store/decisions/pipeline=small").glob("*.json")).write_text(json.dumps(decision))
    shutil.rmtree(world / "store/mlflow")
    assert "does not exist" in only(told(), "registry")[2]
    (world / "store" / decision["champion"]["bundle"]["uri"]).write_bytes(b"rot")
    assert "are missing or damaged" in only(told(), "registry")[2]


def bundle_of(world):
    path = next((world / "store/artifacts/bundle").glob("*.safetensors"))
    return {"contract": "bundle@1.0.0", "uri": f"artifacts/bundle/{path.name}", "digest": path.stem, "rows": 0}


def test_a_full_disk_is_named(world, monkeypatch):
    usage = type(shutil.disk_usage("."))(100 * 2**30, 99.5 * 2**30, 2**29)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    _, state, what, step = only(told(), "disk")
    assert (state, what) == ("bad", "0.5 of 100.0 GiB are free on the disk of the store")
    assert "Free disk space" in step


def test_a_clock_that_runs_away_from_the_stores_is_named(world, monkeypatch):
    monkeypatch.setattr("deployments.doctor.machine_checks.time.time", lambda: datetime.now(UTC).timestamp() + 3600)
    assert "1:00:00 apart" in only(told(), "clock")[2]


def test_a_vintage_of_the_future_is_named(world):
    assert "in the future" in told("2024-01-28T12:00Z")[0][2]


def test_a_store_that_can_not_be_written_is_a_finding_and_the_rest_is_looked_at(world, monkeypatch):
    monkeypatch.setenv("NIGHTCAST_STORE", str(world / "panel.parquet"))
    found = told()
    assert ("store", "bad") in {(one[0], one[1]) for one in found}
    assert "prefect" in {one[0] for one in found}


def test_a_server_that_does_not_answer_is_named(world, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    _, state, what, step = only(told(), "server")
    assert (state, what) == ("bad", "http://127.0.0.1:9/api does not answer: ConnectError")
    assert "nightcast up" in step


def test_a_pipeline_that_has_published_nothing_is_told_its_first_step(world):
    shutil.rmtree(world / "store")
    assert only(told())[2:] == ("has published nothing yet", "Run its first night: nightcast nightly small")


def test_a_pipeline_that_can_not_be_read_is_a_finding_where_all_are_looked_at(world):
    (world / "pipelines/broken.yaml").write_text("name: 5\n")
    facts, _ = examine([], "26h", NOON)
    assert [one["part"] for one in facts["findings"] if one["part"].startswith("pipeline")] == ["pipeline broken"]
    with pytest.raises(SpecError):
        examine(["broken"], "26h", NOON)


@pytest.mark.parametrize(("max_age", "as_of"), [("soon", NOON), ("-1h", NOON), ("26h", "yesterdayish")])
def test_words_that_mean_nothing_are_refused(world, max_age, as_of):
    with pytest.raises(SpecError):
        examine(["small"], max_age, as_of)


def test_looking_leaves_the_store_as_it_was(world):
    def listing():
        every = (path for path in Path(world / "store").rglob("*") if path.is_file() and "mlflow" not in str(path))
        return {path: path.stat().st_mtime_ns for path in every}

    before = listing()
    told()
    told("2024-03-01T00:00Z")
    assert listing() == before


def test_a_pipeline_that_is_named_by_its_path_is_named_so_in_the_next_step_too(world):
    facts, _ = examine(["pipelines/small.yaml"], "10d", "2024-02-01T12:00Z")
    steps = [one["step"] for one in facts["findings"] if "missed" in one["told"]]
    assert steps == ["nightcast backfill pipelines/small.yaml --from 2024-01-30 --to 2024-02-01"]
