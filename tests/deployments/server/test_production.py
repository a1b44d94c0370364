"""The commands of compose.yaml on this machine: PostgreSQL for Prefect and MLflow, S3, passwords, one night."""

import base64
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import fsspec
import httpx
import pandas as pd
import pytest

from tests.deployments.conftest import NIGHTCAST, free_port, small_world, until
from tests.deployments.server_files import compose

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SECRETS = {
    "POSTGRES_PASSWORD": "postgresSecret1",
    "PREFECT_PASSWORD": "prefectSecret1",
    "MLFLOW_PASSWORD": "mlflowSecret12",
    "S3_PASSWORD": "anySecret1",
}
BIN = Path(sys.executable).parent


class Stack:
    """Services of compose.yaml as processes; hosts and ports are replaced by those of this machine."""

    def __init__(self, folder, postgres, s3):
        self.folder, self.ports = folder, {"prefect": free_port(), "mlflow": free_port()}
        self.result = compose(**SECRETS)
        self.replacements = [
            ("http://s3:9000", s3),
            ("@postgres:5432", f"@127.0.0.1:{postgres.port}"),
            ("prefect:4200", f"127.0.0.1:{self.ports['prefect']}"),
            ("mlflow:5000", f"127.0.0.1:{self.ports['mlflow']}"),
            ("127.0.0.1:4200", f"127.0.0.1:{self.ports['prefect']}"),
            ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - the address that is replaced
            ("/etc/nightcast/mlflow-auth.ini", str(folder / "mlflow-auth.ini")),
        ]
        self.processes = []
        (folder / "mlflow-auth.ini").write_text(self.localize(self.result["configs"]["mlflow-auth"]["content"]))
        postgres.execute(f"CREATE ROLE nightcast SUPERUSER LOGIN PASSWORD '{SECRETS['POSTGRES_PASSWORD']}'")
        for statement in self.result["configs"]["databases"]["content"].split(";"):
            if statement.strip():
                postgres.execute(statement)
        postgres.execute("CREATE DATABASE prefect")

    def localize(self, text):
        for old, new in self.replacements:
            text = text.replace(old, new)
        return text

    def command(self, name):
        result = [self.localize(word) for word in self.result["services"][name]["command"]]
        at = {"4200": str(self.ports["prefect"]), "5000": str(self.ports["mlflow"])}
        return [str(BIN / result[0]), *(at.get(word, word) for word in result[1:])]

    def environment(self, name):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "NIGHTCAST_"))}
        result = {
            key: self.localize(value) for key, value in self.result["services"][name].get("environment", {}).items()
        }
        home = {"PREFECT_HOME": str(self.folder / f"home-{name}"), "OMP_NUM_THREADS": "1"}
        return {**kept, **result, **home, "NIGHTCAST_PIPELINES": str(self.folder / "pipelines")}

    def run(self, name, *command, **without):
        env = {key: value for key, value in self.environment(name).items() if key not in without}
        result = [str(word) for word in command] or self.command(name)
        return subprocess.run(
            result, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=200
        )

    def start(self, name):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    self.command(name),
                    cwd=self.folder,
                    env=self.environment(name),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def stop(self):
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory, postgres, s3):
    world = small_world(tmp_path_factory.mktemp("production"), "small", epochs=250, end="2024-01-31")
    stack = Stack(world, postgres, s3)
    try:
        bucket = stack.run("bucket")
        assert bucket.returncode == 0, bucket.stderr
        for name, path in (("prefect", "/api/health"), ("mlflow", "/health")):
            stack.start(name)
            url = f"http://127.0.0.1:{stack.ports[name]}{path}"
            until(lambda url=url: httpx.get(url).is_success, 120, lambda name=name: stack.log(name))
        yield stack
    finally:
        stack.stop()


def prefect(stack):
    """Return a client with the password and the CSRF token."""
    header = "Basic " + base64.b64encode(f"nightcast:{SECRETS['PREFECT_PASSWORD']}".encode()).decode()
    base = f"http://127.0.0.1:{stack.ports['prefect']}/api"
    headers = {"Authorization": header}
    token = httpx.get(f"{base}/csrf-token", params={"client": "test"}, headers=headers).json()["token"]
    headers |= {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": token}
    return httpx.Client(base_url=base, headers=headers, timeout=30)


def test_night_runs_on_postgresql_with_passwords(stack, postgres):
    deployed = stack.run("deploy")
    assert deployed.returncode == 0, deployed.stderr
    stack.start("worker")
    with prefect(stack) as client:
        deployment = client.get("/deployments/name/nightly/small").json()
        body = {"parameters": {"as_of": "2024-01-30T03:00:00Z"}}
        run = client.post(f"/deployments/{deployment['id']}/create_flow_run", json=body).json()["id"]

        def ended():
            return client.get(f"/flow_runs/{run}").json()["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED")

        until(ended, 240, lambda: stack.log("worker"))
        state = client.get(f"/flow_runs/{run}").json()["state"]
    assert state["type"] == "COMPLETED", state["message"]

    keys = {"key": "nightcast", "secret": SECRETS["S3_PASSWORD"], "endpoint_url": stack.replacements[0][1]}
    published = "s3://nightcast/store/forecasts/pipeline=small/vintage=2024-01-30T030000Z/forecasts.parquet"
    table = pd.read_parquet(published, storage_options=keys)
    assert len(table) == 2 * 12
    files = fsspec.filesystem("s3", **keys).find("nightcast/mlflow")
    assert any(name.endswith("weights.safetensors") for name in files)
    with postgres.connect() as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}
    assert {"prefect", "mlflow", "mlflow_users"} <= names
    url = f"http://127.0.0.1:{stack.ports['mlflow']}/api/2.0/mlflow/registered-models/get"
    login = ("nightcast", SECRETS["MLFLOW_PASSWORD"])
    model = httpx.get(url, params={"name": "small"}, auth=login).json()["registered_model"]
    assert {"alias": "champion", "version": "1"} in model["aliases"]


def test_missing_password_is_refused_and_the_variable_is_named(stack):
    base = f"http://127.0.0.1:{stack.ports['prefect']}/api"
    asked = f"{base}/deployments/name/nightly/small"
    assert httpx.get(asked).status_code == 401
    assert httpx.get(asked, auth=("nightcast", "wrong")).status_code == 401
    assert httpx.post(f"{base}/flows/filter", json={}).status_code in (401, 403)  # without a token too
    mlflow = f"http://127.0.0.1:{stack.ports['mlflow']}/api/2.0/mlflow/experiments/search"
    assert httpx.post(mlflow, json={"max_results": 1}).status_code == 401
    result = stack.run("deploy", NIGHTCAST, "deploy", PREFECT_API_AUTH_STRING=None)
    assert result.returncode == 1
    assert "wants a password: set PREFECT_API_AUTH_STRING" in result.stderr
    doctor = stack.run("deploy", NIGHTCAST, "doctor", "small", PREFECT_API_AUTH_STRING=None)
    assert "Set PREFECT_API_AUTH_STRING" in doctor.stdout
    assert SECRETS["PREFECT_PASSWORD"] not in result.stdout + result.stderr + doctor.stdout + doctor.stderr


def test_doctor_reports_the_whole_stack_as_healthy(stack):
    result = stack.run("worker", NIGHTCAST, "doctor", "small", "--as-of", "2024-01-30T12:00Z")
    assert result.returncode == 0, result.stdout
    for part in ("server", "schedule", "pool", "store", "registry  champion of small is"):
        assert f"✓ {part}" in result.stdout
