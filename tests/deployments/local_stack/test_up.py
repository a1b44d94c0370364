"""`nightcast up` from outside: what it serves, which requests it refuses, and how it ends."""

import re
import signal
import socket
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import psutil
import pytest

from tests.deployments.conftest import Up, free_port, in_two_minutes, small_world, until

FLOWS = ["backfill", "backtest", "forecast", "monitor", "nightly", "promote", "retrain"]


def test_both_uis_answer_and_every_flow_is_deployed(up):
    assert httpx.get(up.ready["prefect"], follow_redirects=True).status_code == 200
    assert httpx.get(up.ready["mlflow"], follow_redirects=True).status_code == 200
    with up.client() as client:
        flows = {flow["id"]: flow["name"] for flow in client.post("/flows/filter", json={}).json()}
        made = client.post("/deployments/filter", json={}).json()
    names = sorted(
        f"{flows[deployment['flow_id']]}/{deployment['name']}" for deployment in made if deployment["name"] == "small"
    )
    assert names == [f"{flow}/small" for flow in FLOWS]
    assert [pipeline["name"] for pipeline in up.ready["pipelines"]] == ["nyc-delays", "small", "twin"]


def test_scheduler_creates_runs_in_the_database(up):
    """SQLAlchemy 2.1 breaks this silently: deployments work, but no run is ever scheduled."""
    with up.client() as client:
        deployment = client.get("/deployments/name/nightly/small").json()
        wanted = {
            "deployments": {"id": {"any_": [deployment["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        }

        def due():
            runs = client.post("/flow_runs/filter", json=wanted).json()
            return sorted(datetime.fromisoformat(run["expected_start_time"]) for run in runs)

        until(lambda: len(due()) >= 3, 60)
        three = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
        first = three if three > datetime.now(UTC) else three + timedelta(days=1)
        assert due()[:3] == [first + timedelta(days=days) for days in range(3)]


def test_doctor_finds_the_running_stack_without_configuration(up):
    output = up.nightcast("doctor", "small").stdout
    assert re.search(r"✓ server +http://127.0.0.1:\d+/api answers", output)
    assert re.search(r"✓ schedule +nightly/small runs next at", output)
    assert re.search(r"✓ worker +the runner polls for runs", output)


def test_other_origins_can_neither_read_nor_start_runs(up):
    start = {"json": {"flow_runs": {}}, "auth": tuple(up.key.split(":"))}
    assert httpx.post(f"{up.api}/flow_runs/filter", **start).status_code == 403  # no CSRF token
    assert httpx.get(f"{up.api}/health", headers={"Host": "evil.example"}).status_code == 400  # DNS rebinding
    answer = httpx.get(f"{up.api}/health", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    own = httpx.get(f"{up.api}/health", headers={"Origin": up.ready["prefect"]})
    assert own.headers["access-control-allow-origin"] == up.ready["prefect"]


def test_all_processes_listen_on_localhost_only(up):
    listening = {
        connection.laddr.ip
        for process in [psutil.Process(up.process.pid), *up.family()]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_second_up_on_the_store_is_refused(up):
    second = up.nightcast("up", "--port", str(free_port()))
    assert second.returncode == 1
    assert f"already running on this store: process {up.process.pid}" in second.stderr
    assert up.ready["prefect"] in second.stderr


def test_night_of_the_command_line_appears_in_the_ui(up):
    assert up.nightcast("nightly", "small", "--as-of", "2024-01-30T03:00Z").returncode == 0
    with up.client() as client:
        runs = client.post("/flow_runs/filter", json={"flow_runs": {"name": {"any_": ["small 2024-01-30 03:00"]}}})
        assert [run["state"]["type"] for run in runs.json()] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"pipeline": "nope"}, "'nope' is not one of ["),
        ({"as_of": "soon"}, "'soon'"),
        ({"overrides": {"max_epochs": 0}}, "0"),
        ({"overrides": {"max_epoch": 5}}, "max_epoch"),
        ({"overrides": {"models": [{"cell": "transformer"}]}}, "transformer"),
        ({"overrides": {"quantiles": [0.5, 1.5]}}, "1.5"),
        ({"dry_run": "perhaps"}, "'perhaps' is not of type 'boolean'"),
    ],
)
def test_api_refuses_invalid_parameters_with_a_message(up, parameters, sentence):
    with up.client() as client:
        deployment = client.get("/deployments/name/nightly/small").json()
        made = client.post(f"/deployments/{deployment['id']}/create_flow_run", json={"parameters": parameters})
    assert made.status_code in (409, 422)
    assert sentence in made.json()["detail"]


def test_automations_are_registered_and_notify_a_file(up):
    with up.client() as client:
        names = {automation["name"] for automation in client.post("/automations/filter", json={}).json()}
        blocks = client.post("/block_documents/filter", json={"include_secrets": False}).json()
    assert names >= {
        "nightcast: a run failed",
        "nightcast: a night is late",
        "nightcast: a night of small was missed",
        "nightcast: much in quarantine",
        "nightcast: no promotion for long",
        "nightcast: drift of small starts retraining",
    }
    assert [block["data"]["path"] for block in blocks if block["name"] == "nightcast-notify"] == [
        str(up.folder / ".prefect/notices.log")
    ]


def event_of(name, pipeline):
    resource = {"prefect.resource.id": f"nightcast.pipeline.{pipeline}", "prefect.resource.name": pipeline}
    event = {"event": name, "resource": resource, "payload": {"told": "12 of 100 rows"}, "id": str(uuid.uuid4())}
    return {**event, "occurred": datetime.now(UTC).isoformat()}


def test_drift_starts_retraining_and_quarantine_notifies(up):
    with up.client() as client:
        assert client.post("/events", json=[event_of("nightcast.drift.found", "twin")]).is_success
        assert client.post("/events", json=[event_of("nightcast.quarantine.high", "twin")]).is_success
        deployment = client.get("/deployments/name/retrain/twin").json()["id"]
        wanted = {"deployments": {"id": {"any_": [deployment]}}}
        until(lambda: client.post("/flow_runs/filter", json=wanted).json(), 90, lambda: up.log("server")[-2000:])
        (run,) = client.post("/flow_runs/filter", json=wanted).json()
    assert run["parameters"] == {"pipeline": "twin", "dry_run": False}
    notices = up.folder / ".prefect/notices.log"
    until(lambda: "twin: 12 of 100 rows" in notices.read_text(), 60)
    assert "Nightcast: much in quarantine" in notices.read_text()


def test_busy_port_is_reported_with_its_process_and_nothing_starts(tmp_path):
    small_world(tmp_path, "small", end="2024-01-31")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = Up(tmp_path)
        done = stack.nightcast("up", "--port", str(free_port()), "--mlflow-port", str(port))
    assert done.returncode == 1
    assert re.search(rf"port {port} is used by process \d+ \(.*pytest", done.stderr)
    assert not (tmp_path / ".prefect/up-server.log").exists()


def test_broken_pipeline_is_reported_and_others_are_served(tmp_path):
    from deployments.server.deployment_catalogue import catalogue

    folder = small_world(tmp_path, "small", "twin", end="2024-01-31") / "pipelines"
    (folder / "broken.yaml").write_text("name: broken\nsource: 5\n")
    (folder / "twin.yaml").write_text((folder / "small.yaml").read_text())
    result = catalogue(folder)
    assert "source" in result.broken["broken"]
    assert "another pipeline is already named 'small'" in result.broken["twin"]
    assert {deployment.name for deployment in result.deployments} == {"small", "nyc-delays"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_after_up_ends(tmp_path, number):
    stack = Up(small_world(tmp_path, "small", end="2024-01-31")).start()
    family = stack.family()
    assert len(family) >= 4  # server, runner, MLflow and its worker
    code = stack.stop(number)
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    again = Up(tmp_path)
    again.ports = stack.ports
    assert again.start().stop() == 0  # the next one can use the same ports


@pytest.mark.slow
def test_due_schedule_publishes_the_scheduled_night(tmp_path):
    cron = in_two_minutes()
    stack = Up(small_world(tmp_path, "small", cron=cron)).start()
    minute, hour = cron.split()[:2]
    try:
        published = tmp_path / "store/latest/pipeline=small/forecasts.parquet"
        until(published.exists, 240, lambda: stack.log("runner")[-3000:])
        (vintage,) = (tmp_path / "store/forecasts/pipeline=small").iterdir()
        assert vintage.name.endswith(f"T{int(hour):02}{int(minute):02}00Z")
    finally:
        stack.stop()
