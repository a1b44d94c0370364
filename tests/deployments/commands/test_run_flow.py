"""A run continues without Prefect, whatever its server answers, and never hides an error of its own."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from prefect import flow
from prefect.context import FlowRunContext

from data_contracts.errors import SpecError
from deployments.commands.run_flow import call_flow
from deployments.process_environment import is_server_ready

ANSWERS = {"busy": (200, 503), "not ready": (503, 503), "another site": (404, 404), "a page": (200, 200)}


@pytest.fixture
def answers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """PREFECT_API_URL of a server with one status for /ready and another for every other path; returns the URL."""
    ready, other = ANSWERS[request.param]

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(ready if self.path.endswith("/ready") else other)
            self.end_headers()
            self.wfile.write(b"<html>not json</html>")

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    yield url
    server.shutdown()
    server.server_close()


@flow(name="add", persist_result=False)
def add(number: int, fails: str = "") -> int:
    if fails:
        raise {"spec": SpecError, "bug": KeyError}[fails](fails)
    return number + 1


@pytest.mark.parametrize(
    ("answers", "ready"), [("busy", True), ("not ready", False), ("another site", True)], indirect=["answers"]
)
def test_readiness_is_that_of_the_database(answers, ready, caplog):
    assert is_server_ready() == ready
    assert bool(caplog.messages) != ready


def test_server_that_is_not_set_is_ready(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert is_server_ready()


def test_without_a_server_the_flow_is_a_function(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert call_flow(add, {"number": "41"}, server=False) == 42  # parameters are validated as Prefect does
    with pytest.raises(KeyError):
        call_flow(add, {"number": 1, "fails": "bug"}, server=False)


@pytest.mark.parametrize("answers", ["busy", "not ready", "another site", "a page"], indirect=True)
def test_run_continues_whatever_its_server_answers(answers, caplog):
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings({PREFECT_API_URL: answers, PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert call_flow(add, {"number": 41}) == 42
        assert "this run continues without it and is not in its UI" in caplog.text
        with pytest.raises(SpecError, match="spec"):
            call_flow(add, {"number": 41, "fails": "spec"})


@pytest.mark.usefixtures("prefect_server")
def test_error_of_the_flow_is_raised_once(caplog):
    with pytest.raises(KeyError, match="bug"):
        call_flow(add, {"number": 1, "fails": "bug"})
    assert "Prefect failed" not in caplog.text


@flow(name="nightly-like", persist_result=False)
def nightly_like(pipeline: str, as_of: str | None = None) -> tuple[str | None, list[str], str | None]:
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return (str(run.deployment_id) if run and run.deployment_id else None, sorted(run.tags) if run else [], as_of)


@pytest.mark.usefixtures("prefect_server")
def test_run_of_the_command_line_has_the_tags_and_the_deployment_of_a_scheduled_one(tmp_path, monkeypatch):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    for name in ("shop", "other"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\n", encoding="utf-8")
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(nightly_like)
        deployment = client.create_deployment(flow_id, "shop", parameters={"pipeline": "shop"})
    of_shop = {"pipeline": "shop", "as_of": "2024-02-08"}
    assert call_flow(nightly_like, of_shop) == (str(deployment), ["nightcast", "shop"], "2024-02-08")
    assert call_flow(nightly_like, {"pipeline": "other"}) == (None, ["nightcast", "other"], None)
    by_path = {"pipeline": str(tmp_path / "shop.yaml")}  # a deployment runs the file of its name only
    assert call_flow(nightly_like, by_path) == (None, ["nightcast", "shop"], None)
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
    assert sorted(run.state_name for run in runs if "shop" in run.tags) == ["Completed", "Completed"]
