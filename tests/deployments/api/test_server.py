"""`nightcast serve` as a process: it starts, answers, drains on SIGTERM, refuses to start where it must."""

import signal
import socket
import threading
import time

import httpx
import pytest

from tests.deployments.api.conftest import CUTOFF, NAMES, assert_equal_table, published
from tests.deployments.api.test_answers import history_of

NAME = NAMES["north"]


def test_server_answers_and_ends_with_exit_code_0(served, serve):
    server = serve(served, "--engine", "torch").wait_ready()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        (forecast,) = client.post("/v1/forecast", json={"series": [NAME]}).json()["forecasts"]
        assert_equal_table(forecast, published(served, NAME))
        version = client.get("/version").json()
        assert (version["pipeline"], version["engine"], version["encoding"]) == ("ports", "torch", "lookback")
        refused = client.post("/v1/forecast", content="[" * 100_000, headers={"Content-Type": "application/json"})
        assert refused.status_code == 400
        metrics = client.get("/metrics").text
        assert 'nightcast_requests_total{route="/v1/forecast",status="200"} 1.0' in metrics
        with socket.create_connection(("127.0.0.1", server.port)) as slow:  # a body that never comes
            slow.sendall(b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
            assert server.stop() == 0
    access = server.out.read_text()
    assert '"route": "/v1/forecast", "status": 200' in access
    assert NAME not in access
    assert "Traceback" not in server.err.read_text()


@pytest.mark.slow
def test_requests_that_have_begun_are_answered_after_sigterm(served, serve, named):
    server = serve(served).wait_ready()
    rows, answers, begun, ended = history_of(named, CUTOFF), [], [], threading.Event()

    def large() -> None:
        begun.append(time.monotonic())
        answers.append(httpx.post(f"{server.url}/v1/forecast", json={"history": rows}, timeout=60).status_code)

    failures = []

    def hammer() -> None:
        while not ended.is_set():
            started = time.monotonic()
            try:
                answer = httpx.post(f"{server.url}/v1/forecast", json={"series": [NAME]}, timeout=30)
                if answer.status_code != 200:
                    failures.append((started, answer.status_code))
            except httpx.HTTPError as error:
                failures.append((started, repr(error)))
                time.sleep(0.05)

    threads = [threading.Thread(daemon=True, target=large) for _ in range(8)] + [
        threading.Thread(daemon=True, target=hammer) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while not answers and time.monotonic() < end:
        time.sleep(0.01)
    assert len(begun) == 8
    stopped = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    draining = httpx.get(f"{server.url}/ready", timeout=5)
    assert draining.status_code == 503
    assert "ends after the running requests" in draining.json()["detail"]
    assert server.process.wait(20) == 0
    ended.set()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert [failure for failure in failures if failure[0] < stopped + 0.7] == []
    assert "Traceback" not in server.err.read_text()


@pytest.mark.slow
def test_slow_clients_are_cut_off(served, serve):
    server = serve(served).wait_ready()
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as silent, \
            socket.create_connection(("127.0.0.1", server.port)) as drip, \
            socket.create_connection(("127.0.0.1", server.port)) as body:  # fmt: skip
        drip.sendall(b"GET /health HT")
        body.sendall(b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        for connection in (silent, drip, body):
            connection.settimeout(40)
        answer = body.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in answer
        assert (silent.recv(1), drip.recv(1)) == (b"", b"")
    assert time.monotonic() - begin < 35
    assert server.stop() == 0


@pytest.mark.slow
def test_starts_that_are_refused(served, serve, tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = serve(served, "--port", str(busy.getsockname()[1]))
        assert taken.process.wait(120) == 1
    assert "could not listen on 127.0.0.1" in taken.err.read_text()
    assert "Choose another --port" in taken.err.read_text()
    opened = serve(served, "--host", "0.0.0.0")  # noqa: S104 - it must not listen there
    assert opened.process.wait(120) == 2
    assert "Set NIGHTCAST_SERVE_KEY" in opened.err.read_text()
    short = serve(served, NIGHTCAST_SERVE_KEY="short")
    assert short.process.wait(120) == 2
    assert "has 5 characters" in short.err.read_text()
    empty = serve(served, NIGHTCAST_STORE=str(tmp_path / "empty"))
    assert empty.process.wait(120) == 4
    for refused in (taken, opened, short, empty):
        assert "Traceback" not in refused.err.read_text()
