"""A bucket whose server died, refuses or stalls ends in a sentence within a minute, and the night with it."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from data_contracts.errors import SourceUnreadable, StoreDamaged
from tasks.engine.step import step
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.storage import files, object_stores
from tasks.storage.lease import LeaseSettings, hold_lease
from tasks.storage.object_stores import StoreUnreachable, open_filesystem
from tasks.storage.process_identity import current_process
from tasks.storage.store import Store

FAST = {"connect_timeout": 0.3, "read_timeout": 0.3, "retries": {"total_max_attempts": 1}}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(port: int, **config: Any) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        monkeypatch.setattr(object_stores, "DEFAULT_CONFIG", {**object_stores.DEFAULT_CONFIG, **config})
        monkeypatch.setattr(files, "WRITE_TIMEOUT_S", 1.0 if config else 45.0)
        fsspec.filesystem("s3").clear_instance_cache()

    return use


@pytest.fixture
def stalled() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


@pytest.fixture
def failing() -> Iterator[int]:
    """The port of a server that answers every request with 500."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


OPERATIONS: dict[str, Any] = {
    "read": lambda root: files.read(root, "runs/a.json"),
    "exists": lambda root: files.exists(root, "runs/a.json"),
    "list": lambda root: files.list_files(root, "runs"),
    "write": lambda root: files.write(root, "runs/a.json", b"{}"),
    "write once": lambda root: files.write(root, "runs/a.json", b"{}", only_if_absent=True),
    "remove": lambda root: files.remove(root, "runs/a.json"),
    "store": lambda root: Store(root=root).read_json("runs/a.json"),
    "check": lambda root: Store(root=root).check_writable(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("server", ["closed", "stalled", "failing"])
def test_bucket_that_does_not_answer_is_a_sentence(
    operation: str, server: str, endpoint: Any, request: pytest.FixtureRequest
) -> None:
    endpoint(closed_port() if server == "closed" else request.getfixturevalue(server), **FAST)
    begun = time.monotonic()
    with pytest.raises(
        StoreUnreachable, match=r"the store 's3://bucket/store' does not answer \(.+\)\. Check its server"
    ):
        OPERATIONS[operation]("s3://bucket/store")
    assert time.monotonic() - begun < 15


def test_settings_of_the_user_win(monkeypatch: pytest.MonkeyPatch) -> None:
    retries = object_stores.DEFAULT_CONFIG["retries"]
    filesystem, path = open_filesystem("s3://bucket/a", key="k", secret="s")  # noqa: S106 - no server is asked
    assert (filesystem.config_kwargs, filesystem.retries, path) == ({"retries": retries}, 1, "bucket/a")
    own = {"retries": {"max_attempts": 9}, "read_timeout": 90}
    assert open_filesystem("s3://bucket/a", config_kwargs=own)[0].config_kwargs == own
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 7}})
    assert open_filesystem("s3://bucket/a")[0].config_kwargs == {"retries": retries, "read_timeout": 7}
    assert open_filesystem(str(Path.cwd()))[1] == str(Path.cwd())


def test_missing_file_of_a_bucket_is_still_a_missing_file(s3: str, endpoint: Any) -> None:
    endpoint(int(s3.rsplit(":", 1)[1]))
    fsspec.filesystem("s3").mkdir("missing")
    assert Store(root="s3://missing/store").read_json("runs/a.json") is None
    with pytest.raises(StoreDamaged, match="is missing"):
        Store(root="s3://missing/store").artifact_at("runs/a.json")


def test_step_that_the_night_can_do_without_does_not_hide_a_dead_store(endpoint: Any) -> None:
    endpoint(closed_port(), **FAST)

    @step
    def drift(store: Store) -> str:
        return str(store.list_files("runs"))

    with pytest.raises(StoreUnreachable):
        drift.attempt(Store(root="s3://bucket/store"))


def test_source_in_a_bucket_that_stalls_is_refused(endpoint: Any, stalled: int) -> None:
    endpoint(stalled, **FAST)
    begun = time.monotonic()
    with pytest.raises(SourceUnreadable, match="can't be read as csv"):
        read_source(SourceSpec(kind="csv", path="s3://bucket/s.csv"))
    assert time.monotonic() - begun < 10


@pytest.mark.slow
def test_store_that_stalls_in_the_middle_ends_within_a_minute(endpoint: Any, s3: str, stalled: int) -> None:
    endpoint(int(s3.rsplit(":", 1)[1]))
    fsspec.filesystem("s3").mkdir("middle")
    owner, root = current_process("nightly shop"), "s3://middle/store"

    def write_with_a_lease() -> None:
        with hold_lease(root, "shop", owner, LeaseSettings(seconds=600)):
            Store(root=root).write_json("runs/a.json", {})
            endpoint(stalled)
            begun.append(time.monotonic())
            Store(root=root).write_json("runs/b.json", {})

    begun = list[float]()
    with pytest.raises(StoreUnreachable, match="does not answer"):
        write_with_a_lease()
    assert time.monotonic() - begun[0] < 75
