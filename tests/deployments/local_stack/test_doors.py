"""Doors of `nightcast up`, tried from outside: who has no key reads nothing, starts nothing and injects no event."""

import asyncio
import json
import stat
from pathlib import Path

import httpx
import pytest
import yaml
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.deployments.local_stack.test_up import event_of

SOCKETS = ("events/in", "events/out", "logs/out", "task_runs/subscriptions/scheduled", "work_pools/x/workers/connect")
GUESSES = (None, "", "nightcast:guess", ["nightcast"])


def socket_answer(up, path, origin, token, subprotocols=("prefect",)):
    """Return the first answer of a WebSocket after the handshake of Prefect's clients; the error if it is refused."""

    async def talk():
        url = f"{up.api.replace('http', 'ws')}/{path}"
        async with asyncio.timeout(20), connect(url, origin=origin, subprotocols=list(subprotocols) or None) as socket:
            if subprotocols:
                await socket.send(json.dumps({"type": "auth", "token": token}))
            else:  # Prefect's protocol of old, without any handshake
                await socket.send(json.dumps(event_of("nightcast.drift.found", "small")))
            return json.loads(await socket.recv())

    try:
        return asyncio.run(talk())
    except (WebSocketException, OSError) as refused:
        return str(refused)


@pytest.mark.parametrize("path", SOCKETS)
def test_websocket_of_a_foreign_page_is_refused_even_with_the_key(up, path):
    for origin in ("http://evil.example", "null", "http://localhost:9999", up.ready["mlflow"]):
        assert "403" in str(socket_answer(up, path, origin, up.key))


@pytest.mark.parametrize("path", SOCKETS)
def test_websocket_without_the_key_is_closed_before_any_message(up, path):
    for token in GUESSES:
        answer = socket_answer(up, path, up.ready["prefect"], token)
        assert isinstance(answer, str), answer
    assert isinstance(socket_answer(up, path, None, "", subprotocols=()), str)


def test_websockets_of_the_ui_and_of_programs_are_accepted_with_the_key(up):
    for origin in (up.ready["prefect"], None):
        assert socket_answer(up, "events/in", origin, up.key) == {"type": "auth_success"}


def test_api_without_the_key_reads_and_starts_nothing(up):
    with up.client() as client:
        deployment = client.get("/deployments/name/nightly/small").json()["id"]
        csrf = {name: client.headers[name] for name in ("Prefect-Csrf-Client", "Prefect-Csrf-Token")}
    for path, body in (
        (f"deployments/{deployment}/create_flow_run", {"enforce_parameter_schema": False}),
        ("events", [event_of("nightcast.drift.found", "small")]),
        ("flow_runs/filter", {}),
        ("admin/database/clear", {"confirm": True}),
    ):
        for auth in (None, ("nightcast", "guess"), ("", "")):
            assert httpx.post(f"{up.api}/{path}", json=body, headers=csrf, auth=auth).status_code == 401, path
    assert httpx.get(f"{up.api}/csrf-token?client=x").status_code == 401


@pytest.mark.parametrize("path", ["", "api/health", "api/flows/filter", "reports/x", "ui-settings", "dashboard"])
def test_every_route_refuses_a_foreign_page_and_a_foreign_host(up, path):
    url, auth = f"{up.ready['prefect']}/{path}", tuple(up.key.split(":"))
    for origin in ("http://evil.example", "null", "http://127.0.0.1", up.ready["mlflow"]):
        for method in ("GET", "POST"):  # a GET needs no CSRF token, so the Origin alone must refuse it
            answer = httpx.request(method, url, headers={"Origin": origin}, auth=auth)
            assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False), method
    rebound = {"Host": "evil.example:80", "Origin": "http://evil.example:80"}
    assert httpx.get(url, headers=rebound, auth=auth).status_code == 400


def test_home_is_closed_to_other_users(up):
    home = up.folder / ".prefect"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
    assert modes[".prefect"] == 0o700
    assert (modes["api-key"], modes["prefect.db"]) == (0o600, 0o600)
    assert [name for name, mode in modes.items() if mode & 0o022] == []


def test_key_is_in_no_command_line_log_or_answer(up):
    key = up.key.partition(":")[2]
    assert len(key) >= 32
    assert key not in json.dumps(up.ready)
    assert up.ready["key_file"] == str(up.folder / ".prefect/api-key")
    assert [process for process in up.family() if key in " ".join(process.cmdline())] == []
    texts = [*Path(up.folder / ".prefect").glob("up*"), up.folder / "up.err"]
    assert [path.name for path in texts if key in path.read_text(errors="replace")] == []
    assert (
        f"asks once for the key, which is the line in {up.folder / '.prefect/api-key'}"
        in (up.folder / "up.err").read_text()
    )


def test_reports_serve_no_link_that_leaves_the_store(up, tmp_path):
    (tmp_path / "index.html").write_text("of another user")
    folder = up.folder / "store/reports/pipeline=small/linked"
    folder.mkdir(parents=True)
    (folder / "index.html").symlink_to(tmp_path / "index.html")
    (folder.parent / "folder").symlink_to(tmp_path)
    for name in ("linked", "folder"):
        answer = httpx.get(f"{up.ready['prefect']}/reports/pipeline=small/{name}/index.html")
        assert (answer.status_code, "of another user" in answer.text) == (404, False)


@pytest.mark.slow
def test_run_of_the_api_starts_no_code_that_its_parameters_bring(up, tmp_path):
    mark, spec = tmp_path / "mark", up.folder / "pipelines/small.yaml"
    (tmp_path / "evil.py").write_text(f"def run():\n    open({str(mark)!r}, 'w').close()\n")
    evil = yaml.safe_load(spec.read_text()) | {"source": {"kind": "python", "callable": "evil:run"}}
    (tmp_path / "evil.yaml").write_text(yaml.safe_dump(evil))
    for pipeline in (evil, str(tmp_path / "evil.yaml")):
        body = {"parameters": {"pipeline": pipeline}, "enforce_parameter_schema": False}
        with up.client() as client:
            deployment = client.get("/deployments/name/monitor/small").json()["id"]
            made = client.post(f"/deployments/{deployment}/create_flow_run", json=body)
        assert made.is_success, made.text
        state = up.wait_for(made.json()["id"], "COMPLETED", "FAILED", "CRASHED")["state"]
        assert state["type"] == "FAILED", state
        assert "takes the name of a file in the folder of pipelines" in state["message"]
    assert not mark.exists()
