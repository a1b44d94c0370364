"""Which origins reach the app behind the guard, over HTTP and WebSockets; test_doors.py asks the running server."""

import asyncio

import pytest

from deployments.server.origin_guard import OriginGuard

HOST = "127.0.0.1:4200"


def sent_by(kind, host, *origins):
    """Return what the guard sends for a request: its status or close code, or `passed`."""
    sent = []

    async def app(scope, receive, send):
        sent.append({"status": "passed"})

    async def send(message):
        sent.append(message)

    headers = [(b"host", host.encode()), *((b"Origin", origin.encode()) for origin in origins)]
    guard = OriginGuard(app, ["127.0.0.1", "localhost"])
    asyncio.run(guard({"type": kind, "headers": headers}, None, send))
    return sent[0].get("status") or sent[0].get("code")


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origins"),
    [
        (HOST, ()),
        (HOST, ("http://127.0.0.1:4200",)),
        ("localhost:4200", ("http://localhost:4200",)),
        ("LOCALHOST:8080", ("http://localhost:8080",)),  # a tunnel on another port
    ],
)
def test_own_pages_and_programs_pass(kind, host, origins):
    assert sent_by(kind, host, *origins) == "passed"


@pytest.mark.parametrize(("kind", "code"), [("http", 403), ("websocket", 1008)])
@pytest.mark.parametrize(
    ("host", "origins"),
    [
        (HOST, ("http://evil.example",)),
        (HOST, ("null",)),
        (HOST, ("",)),
        (HOST, ("http://127.0.0.1:5000",)),  # another server of this machine
        (HOST, ("http://127.0.0.1",)),
        (HOST, ("http://localhost:4200.evil.example",)),
        (HOST, ("http://127.0.0.1:4200", "http://evil.example")),
        ("evil.example", ("http://evil.example",)),  # DNS rebinding
        ("evil.example:4200", ("http://evil.example:4200",)),
    ],
)
def test_foreign_pages_are_refused(kind, code, host, origins):
    assert sent_by(kind, host, *origins) == code


def test_start_and_stop_of_the_server_pass():
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    asyncio.run(OriginGuard(app, [])({"type": "lifespan"}, None, None))
    assert passed == ["lifespan"]
