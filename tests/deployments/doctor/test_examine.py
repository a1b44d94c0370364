"""`nightcast doctor` on stores with problems: each is reported with the next step and an exit code."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_contracts.errors import SpecError
from deployments.doctor.examine import examine
from flows.nightly import nightly
from models.golden import GoldenForecastDiffers
from tasks.modeling.golden_replay import current_conditions
from tasks.storage import lease as lease_module
from tasks.storage.checksums import with_checksum, without_checksum
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
        nightly.fn(str(folder / "pipelines/small.yaml"), NIGHT)
        return folder


@pytest.fixture
def world(published, tmp_path, monkeypatch):
    shutil.copytree(published, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "world/store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "world/pipelines"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return tmp_path / "world"


def problems(as_of=NOON, max_age="26h"):
    """Return (part, state, message, step) of findings that are not good; the small network never becomes champion."""
    facts, _ = examine(["small"], max_age, as_of)
    findings = [finding for finding in facts["findings"] if "not the champion's" not in finding["told"]]
    return [
        (finding["part"], finding["state"], finding["told"], finding["step"])
        for finding in findings
        if finding["state"] != "good"
    ]


def only(findings, part="small"):
    (finding,) = [finding for finding in findings if finding[0] == part]
    return finding


def test_healthy_store_is_reported_with_findings_to_watch(world):
    facts, text = examine(["small"], "26h", NOON)
    assert (facts["healthy"], facts["exit_code"]) == (True, 0)
    assert text.splitlines()[-1] == "healthy, 2 to watch"
    assert "! prefect" in text
    assert "the newest forecasts are not the champion's" in text
    json.dumps(facts)


def test_missed_nights_are_listed_with_the_backfill_command(world):
    _, state, message, step = only(problems("2024-02-01T12:00Z", "10d"))
    assert state == "bad"
    assert message == "3 nights were missed: 2024-01-30 03:00, 2024-01-31 03:00, 2024-02-01 03:00 (UTC)"
    assert step == "nightcast backfill small --from 2024-01-30 --to 2024-02-01"


def test_missed_nights_of_a_long_pause_are_counted_from_its_first_one(world):
    _, _, message, step = only([finding for finding in problems("2024-03-20T12:00Z", "90d") if "missed" in finding[2]])
    assert message == (
        "31 nights were missed: 2024-02-19 03:00, 2024-02-20 03:00, 2024-02-21 03:00, 2024-02-22 03:00, 2024-02-23 "
        "03:00, 2024-02-24 03:00, …, 2024-03-20 03:00 (UTC), and 20 before them, from 2024-01-30 on"
    )
    assert step == (
        "nightcast backfill small --from 2024-02-19 --to 2024-03-20; to run those before them too, --from 2024-01-30"
    )
    _, _, message, _ = only([finding for finding in problems("2031-03-20T12:00Z", "9999d") if "missed" in finding[2]])
    assert message.endswith("and more than 1,000 before them, from 2024-01-30 on")


def test_night_that_is_due_now_is_not_missed(world):
    assert problems("2024-01-30T04:00Z") == problems(NOON)


def test_old_forecasts_are_bad(world):
    findings = [finding for finding in problems("2024-01-30T08:00Z", "26h") if "old" in finding[2]]
    assert [finding[1:3] for finding in findings] == [("bad", "newest forecasts: 2024-01-29 03:00 UTC, 29 h old")]


def test_damaged_latest_is_reported_with_the_night_to_rerun(world):
    latest = world / "store/latest/pipeline=small/forecasts.parquet"
    latest.write_bytes(b"torn")
    _, state, message, step = only(problems())
    assert (state, "is not a complete Parquet table" in message) == ("bad", True)
    assert step == "nightcast nightly small --as-of 2024-01-29T03:00:00Z"


def test_dead_writer_is_bad_and_running_writer_is_good(world):
    gone = current_process("nightly small as of 2024-01-29").model_copy(update={"started": "1"})
    acquire(str(world / "store"), "small", gone, LeaseSettings(wait=0))
    assert "died during the run" in only(problems())[2]
    lease = acquire(
        str(world / "store"), "small", current_process("nightly small as of 2024-01-30"), LeaseSettings(wait=0)
    )
    facts, _ = examine(["small"], "26h", NOON)
    assert any("running: nightly small as of 2024-01-30" in finding["told"] for finding in facts["findings"])
    lease.release()
    assert lease_module.holder(str(world / "store"), "small") is None


def test_refused_night_is_reported_with_reason_and_page(world):
    record = {
        "as_of": "2024-01-30T03:00:00+00:00",
        "outcome": "refused",
        "reason": "sales.csv broke:\n - x",
    }
    path = world / "store/runs/pipeline=small/refused-nightly-2024-01-30T030000Z.json"
    path.write_text(json.dumps(record | {"page": "reports/p/index.html"}))
    _, state, message, step = only(problems())
    rerun = "nightcast nightly small --as-of 2024-01-30T03:00:00Z"
    assert (state, step) == ("bad", f"See {world}/store/reports/p/index.html, then run: {rerun}")
    assert message == "the night as of 2024-01-30T03:00:00+00:00 was refused: sales.csv broke: x"


def test_damaged_weights_and_missing_registry_are_reported(world):
    decision = json.loads(next((world / "store/decisions/pipeline=small").glob("*.json")).read_text())
    if not decision["champion"]:
        decision["champion"] = {"name": "gru", "role": "champion", "version": "1", "bundle": bundle_of(world)}
        next((world / "store/decisions/pipeline=small").glob("*.json")).write_text(json.dumps(decision))
    shutil.rmtree(world / "store/mlflow")
    assert "does not exist" in only(problems(), "registry")[2]
    (world / "store" / decision["champion"]["bundle"]["uri"]).write_bytes(b"rot")
    assert "are missing or damaged" in only(problems(), "registry")[2]


def test_golden_forecast_is_replayed_unless_a_run_on_record_replayed_it_here(world, monkeypatch):
    def differ(champion, store):
        raise GoldenForecastDiffers(champion.name, "step 1 is 2 instead of 3")

    monkeypatch.setattr("tasks.registry.champion_repair.load_bundle", differ)
    champion = {"name": "gru", "role": "champion", "version": "1", "bundle": bundle_of(world)}
    amend(world / "store/decisions/pipeline=small", champion=champion)
    fault = "does not reproduce its golden forecast: step 1 is 2 instead of 3"
    assert fault in only(problems(), "registry")[2]
    replayed = {"bundle": champion["bundle"]["digest"], "conditions": current_conditions()}
    amend(world / "store/runs/pipeline=small", replayed=replayed)
    assert fault not in only(problems(), "registry")[2]
    amend(world / "store/runs/pipeline=small", replayed=replayed | {"conditions": {"torch": "3.0.0"}})
    assert fault in only(problems(), "registry")[2]


def amend(folder, **changes):
    """Change the only record of a folder."""
    (path,) = folder.glob("*.json")
    record = without_checksum(json.loads(path.read_text()))
    path.write_text(json.dumps(with_checksum(record | changes)))


def bundle_of(world):
    path = next((world / "store/artifacts/bundle").glob("*.safetensors"))
    return {"contract": "bundle@1.0.0", "uri": f"artifacts/bundle/{path.name}", "digest": path.stem, "rows": 0}


def test_full_disk_is_reported(world, monkeypatch):
    usage = type(shutil.disk_usage("."))(100 * 2**30, 99.5 * 2**30, 2**29)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    _, state, message, step = only(problems(), "disk")
    assert (state, message) == ("bad", "0.5 of 100.0 GiB are free on the disk of the store")
    assert "Free disk space" in step


def test_clock_skew_between_store_and_machine_is_reported(world, monkeypatch):
    monkeypatch.setattr("deployments.doctor.machine_checks.time.time", lambda: datetime.now(UTC).timestamp() + 3600)
    assert "1:00:00 apart" in only(problems(), "clock")[2]


def test_vintage_in_the_future_is_reported(world):
    assert "in the future" in problems("2024-01-28T12:00Z")[0][2]


def test_way_out_of_a_night_in_the_future_works(world):
    night = world / "store/forecasts/pipeline=small/vintage=2024-01-29T030000Z"
    shutil.copytree(night, night.with_name("vintage=2031-01-01T000000Z"))
    decision = next((world / "store/decisions/pipeline=small").glob("*.json"))
    shutil.copy(decision, decision.with_name("vintage=2031-01-01T000000Z.json"))
    _, state, message, step = only(problems())
    assert state == "bad"
    assert message == "the night as of 2031-01-01 00:00 UTC is in the future; latest/ and later nights ignore it"
    for path in step.partition("then delete: ")[2].split():
        Path(path).unlink()
    assert [finding for finding in problems() if finding[0] == "small"] == []


def test_read_only_store_is_a_finding_and_other_checks_run(world, monkeypatch):
    monkeypatch.setenv("NIGHTCAST_STORE", str(world / "panel.parquet"))
    findings = problems()
    assert ("store", "bad") in {(part, state) for part, state, _, _ in findings}
    assert "prefect" in {part for part, *_ in findings}


def test_unreachable_server_is_reported(world, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    _, state, message, step = only(problems(), "server")
    assert (state, message) == ("bad", "http://127.0.0.1:9/api does not answer: ConnectError")
    assert "nightcast up" in step


def test_cluster_that_does_not_answer_is_reported(world, monkeypatch):
    monkeypatch.setattr("tasks.engine.execution.CONNECT_TIMEOUT_S", 0.5)
    monkeypatch.setenv("NIGHTCAST_ENGINE", "dask")
    monkeypatch.setenv("NIGHTCAST_ENGINE_ADDRESS", "tcp://127.0.0.1:9")
    _, state, message, step = only(problems(), "engine")
    assert state == "bad"
    assert message == "the dask cluster at tcp://127.0.0.1:9 does not answer: this machine does its work"
    assert "NIGHTCAST_ENGINE" in step


def test_unpublished_pipeline_is_reported_with_the_first_command(world):
    shutil.rmtree(world / "store")
    assert only(problems())[2:] == ("has published nothing yet", "Run its first night: nightcast nightly small")


def test_invalid_pipeline_is_a_finding_unless_it_is_named(world):
    (world / "pipelines/broken.yaml").write_text("name: 5\n")
    facts, _ = examine([], "26h", NOON)
    assert [finding["part"] for finding in facts["findings"] if finding["part"].startswith("pipeline")] == [
        "pipeline broken"
    ]
    with pytest.raises(SpecError):
        examine(["broken"], "26h", NOON)


@pytest.mark.parametrize(("max_age", "as_of"), [("soon", NOON), ("-1h", NOON), ("26h", "yesterdayish")])
def test_invalid_options_are_refused(world, max_age, as_of):
    with pytest.raises(SpecError):
        examine(["small"], max_age, as_of)


def test_doctor_does_not_change_the_store(world):
    def listing():
        every = (path for path in Path(world / "store").rglob("*") if path.is_file() and "mlflow" not in str(path))
        return {path: path.stat().st_mtime_ns for path in every}

    before = listing()
    problems()
    problems("2024-03-01T00:00Z")
    assert listing() == before


def test_next_step_names_the_pipeline_as_the_user_did(world):
    facts, _ = examine(["pipelines/small.yaml"], "10d", "2024-02-01T12:00Z")
    steps = [finding["step"] for finding in facts["findings"] if "missed" in finding["told"]]
    assert steps == ["nightcast backfill pipelines/small.yaml --from 2024-01-30 --to 2024-02-01"]


def test_registry_that_does_not_answer_is_bad_without_a_champion_too(world, monkeypatch):
    """The first night registers nothing, and no later one can: nobody else says so by day."""
    monkeypatch.setenv("NIGHTCAST_MLFLOW_URI", "http://127.0.0.1:9")
    state, told = only(problems(), "registry")[1:3]
    assert state == "bad"
    assert told.endswith("; no model can be promoted")
