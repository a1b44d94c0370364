"""`nightcast deploy` and `prefect deploy` against a real server with a real worker."""

import asyncio
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prefect.server.schemas.schedules import CronSchedule

from deployments.server.automations import longest_gap
from flows.pipeline.schedule import scheduled_times
from flows.pipeline.spec import PipelineSpec
from tests.deployments.conftest import NIGHTCAST, free_port, in_two_minutes, small_world, until, user_environment
from tests.warm_commands import run_nightcast

ROOT = Path(__file__).parents[3]


class Server:
    """A Prefect server with its scheduler, as in a server installation."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.environment = user_environment(
            folder,
            PREFECT_API_URL=self.api,
            PREFECT_HOME=str(folder / "prefect"),
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_CLI_PROMPT="false",
        )
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.started.append(
                subprocess.Popen(
                    words, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
                )
            )

    def run(self, *words: object, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(word) for word in words]
        return subprocess.run(
            command,
            cwd=where or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def stop(self) -> None:
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(small_world(tmp_path_factory.mktemp("server"), "small", cron=in_two_minutes()))
    server.start(sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(server.port))
    until(lambda: httpx.get(f"{server.api}/health").is_success, 90)
    yield server
    server.stop()


@pytest.mark.slow
def test_deploy_registers_every_flow_and_a_second_deploy_changes_nothing(server):
    first = server.run(NIGHTCAST, "deploy")
    assert first.returncode == 0, first.stderr
    assert re.search(r"nightly/small +new", first.stdout)
    assert "new work pool nightcast" in first.stdout
    assert "prefect worker start --pool nightcast" in first.stdout
    assert "no notifications: create a notification block named nightcast-notify" in first.stdout
    second = server.run(NIGHTCAST, "deploy")
    assert "done · 0 of 10 deployments written" in second.stdout
    assert "nothing has changed" in second.stdout


@pytest.mark.slow
def test_paused_schedule_stays_paused(server):
    server.run(NIGHTCAST, "deploy")
    deployment = httpx.get(f"{server.api}/deployments/name/nightly/nyc-delays").json()
    schedule = deployment["schedules"][0]["id"]
    url = f"{server.api}/deployments/{deployment['id']}/schedules/{schedule}"
    assert httpx.patch(url, json={"active": False}).is_success
    assert httpx.patch(f"{server.api}/deployments/{deployment['id']}", json={"description": "edited"}).is_success
    result = server.run(NIGHTCAST, "deploy")
    assert re.search(r"nightly/nyc-delays +changed, paused", result.stdout)
    again = httpx.get(f"{server.api}/deployments/name/nightly/nyc-delays").json()
    assert [schedule["active"] for schedule in again["schedules"]] == [False]
    assert again["description"].startswith("The whole night of **nyc-delays**")


@pytest.mark.slow
def test_pool_of_another_type_is_refused(server):
    server.run(NIGHTCAST, "deploy")
    result = server.run(NIGHTCAST, "deploy", "--pool-type", "docker")
    assert result.returncode == 2
    assert "work pool 'nightcast' is of type process, not docker" in result.stderr


@pytest.mark.slow
def test_docker_pool_gets_the_image(server):
    result = server.run(NIGHTCAST, "deploy", "--pool", "boxes", "--pool-type", "docker", "--job-variable", "image=nc:1")
    assert result.returncode == 0, result.stderr
    deployment = httpx.get(f"{server.api}/deployments/name/nightly/small").json()
    assert (deployment["work_pool_name"], deployment["job_variables"]) == ("boxes", {"image": "nc:1"})
    server.run(NIGHTCAST, "deploy")


def test_missing_server_is_reported_with_the_variable_to_set(tmp_path):
    env = user_environment(small_world(tmp_path, "small", end="2024-01-31"))
    none = run_nightcast(("deploy",), tmp_path, env)
    assert (none.returncode, "PREFECT_API_URL" in none.stderr) == (2, True)
    env["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port()}/api"
    silent = run_nightcast(("deploy",), tmp_path, env)
    assert (silent.returncode, "does not answer" in silent.stderr) == (1, True)


def shape(api, name):
    deployment = httpx.get(f"{api}/deployments/name/{name}").json()
    schedules = [entry["schedule"] for entry in deployment["schedules"]]
    schedules = [{"cron": schedule["cron"], "zone": schedule["timezone"]} for schedule in schedules]
    kept = ("entrypoint", "tags", "parameters", "description", "work_pool_name", "parameter_openapi_schema")
    return {name: deployment[name] for name in kept} | {"schedules": schedules}


def triggers(server):
    settings = {"PREFECT_API_URL": server.api}
    automations = httpx.post(f"{settings['PREFECT_API_URL']}/automations/filter", json={}).json()
    kept = ("expect", "match", "posture", "threshold", "within")
    return [
        (
            {name: automation["trigger"][name] for name in kept},
            [action["parameters"] for action in automation["actions"]],
        )
        for automation in automations
        if automation["name"] == "nightcast: drift of nyc-delays starts retraining"
    ]


@pytest.mark.slow
def test_prefect_deploy_and_nightcast_deploy_make_the_same_deployments(server):
    server.run(NIGHTCAST, "deploy")
    names = [f"{flow}/nyc-delays" for flow in ("nightly", "retrain", "forecast", "monitor", "backfill")]
    deployed, starts = [shape(server.api, name) for name in names], triggers(server)
    words = ("-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
    result = server.run(sys.executable, *words, where=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [shape(server.api, name) for name in names] == deployed
    assert triggers(server) == starts
    assert len(starts) == 1
    server.run(NIGHTCAST, "deploy")


@pytest.mark.slow
def test_due_schedule_runs_on_a_worker_and_publishes(tmp_path):
    cron = in_two_minutes()
    server = Server(small_world(tmp_path, "small", cron=cron))
    minute, hour = cron.split()[:2]
    python = sys.executable
    try:
        server.start(python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(server.port))
        until(lambda: httpx.get(f"{server.api}/health").is_success, 60)
        assert server.run(NIGHTCAST, "deploy").returncode == 0
        server.start(python, "-m", "prefect", "worker", "start", "--pool", "nightcast")
        published = tmp_path / "store/latest/pipeline=small/forecasts.parquet"
        until(published.exists, 240, lambda: (tmp_path / "server.log").read_text()[-3000:])
        (vintage,) = (tmp_path / "store/forecasts/pipeline=small").iterdir()
        assert vintage.name.endswith(f"T{int(hour):02}{int(minute):02}00Z")
        report = server.run(NIGHTCAST, "doctor", "small").stdout
        assert re.search(r"✓ pool +work pool nightcast is READY", report)
    finally:
        server.stop()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize("cron", ["0 3 * * *", "30 4 * * 1-5", "0 0,8,16 * * *"])
def test_prefect_and_nightcast_schedule_the_same_nights_for_a_year(zone, cron):
    spec = PipelineSpec.read("nyc-delays")
    spec = spec.model_copy(update={"schedule": spec.schedule.model_copy(update={"cron": cron, "timezone": zone})})
    start = datetime(2024, 1, 1, tzinfo=UTC)
    expected = list(scheduled_times(spec, start, start + timedelta(days=330)))  # Prefect returns at most 1,000
    dates = asyncio.run(CronSchedule(cron=cron, timezone=zone).get_dates(len(expected), start + timedelta(seconds=1)))
    assert [moment.astimezone(UTC) for moment in dates] == expected


def test_missed_night_automation_waits_for_the_longest_gap():
    spec = PipelineSpec.read("nyc-delays")
    weekdays = spec.model_copy(update={"schedule": spec.schedule.model_copy(update={"cron": "0 3 * * 1-5"})})
    assert longest_gap(spec) == timedelta(hours=25)  # across the autumn clock change
    assert longest_gap(weekdays) == timedelta(hours=73)
