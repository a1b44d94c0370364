"""Doors: addresses inside this machine or its network, reached by a redirect, by DNS or by another protocol."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from data_contracts.errors import SourceUnreadable, SpecError
from tasks.sources import addresses
from tasks.sources.addresses import checked_address, is_private
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec

PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"  # the tests take the first for an address of the internet
TABLE = b"sku,sold\na,1\nb,2\n"


class Server(http.server.ThreadingHTTPServer):
    """Serves TABLE at /table.csv, redirects /to?<url>, and counts its requests."""

    def __init__(self, host: str) -> None:
        self.requests: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                server.requests.append(self.path)
                if self.path.startswith("/to?"):
                    self.send_response(302)
                    self.send_header("Location", self.path.partition("?")[2])
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(TABLE)))
                self.end_headers()

            def do_GET(self) -> None:
                self.do_HEAD()
                if not self.path.startswith("/to?"):
                    self.wfile.write(TABLE)

            def log_message(self, *_: Any) -> None: ...

        super().__init__((host, 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: str, host: str = "") -> str:
        return f"http://{host or self.server_address[0]}:{self.server_address[1]}/{path}"


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(addresses, "is_private", lambda address: address != PUBLIC and is_private(address))
    server = Server(PUBLIC)
    yield server
    server.shutdown()


@pytest.fixture
def private() -> Iterator[Server]:
    server = Server(PRIVATE)
    yield server
    server.shutdown()


def csv(path: str, **more: Any) -> SourceSpec:
    return SourceSpec.model_validate({"kind": "csv", "path": path, **more})


def test_public_server_and_its_own_redirects_are_read(public: Server) -> None:
    assert read_source(csv(public.url("table.csv"))).num_rows == 2
    source = csv(public.url(f"to?{public.url('to?/table.csv')}"))
    assert read_source(source).num_rows == 2
    assert fingerprint(source) == fingerprint(source)


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("chain", ["", "simplecache::"])
def test_redirect_to_this_machine_is_refused(public: Server, private: Server, hops: int, chain: str) -> None:
    target = private.url("table.csv")
    for _ in range(hops):
        target = public.url(f"to?{target}")
    for read in (read_source, fingerprint):
        with pytest.raises(SpecError, match=r"its host is 127\.0\.0\.1, .*set NIGHTCAST_ALLOW_PRIVATE_SOURCES=true"):
            read(csv(f"{chain}{target}"))
    assert private.requests == []


def test_name_that_resolves_to_this_machine_after_the_check_is_refused(
    public: Server, private: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([PUBLIC])
    resolve = socket.getaddrinfo

    def rebinding(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return resolve(next(answers, PRIVATE) if name == "rebind.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(SpecError, match=r"its host is 127\.0\.0\.1"):
        read_source(csv(private.url("table.csv", "rebind.example")))
    assert private.requests == []


def test_permission_reads_private_addresses(private: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    source = csv(private.url("table.csv")).permit_private_addresses(True)
    assert read_source(source).num_rows == 2
    assert checked_address(csv("webhdfs://10.0.0.1/x.csv").permit_private_addresses(True))


@pytest.mark.parametrize("protocol", ["ftp", "sftp", "ssh", "http", "https", "FTP"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.7", "[::1]", "user:hunter2@192.168.1.1:2121"])
def test_private_host_of_any_protocol_is_refused(protocol: str, host: str) -> None:
    with pytest.raises(SpecError, match="an address inside this machine or its network") as refused:
        read_source(csv(f"{protocol}://{host}/s.csv"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("protocol", ["hdfs", "webhdfs", "ftps"])
def test_protocol_whose_hosts_cannot_be_checked_needs_a_permission(protocol: str) -> None:
    with pytest.raises(SpecError, match=f"{protocol}:// connects to hosts that are not checked. .*NIGHTCAST_ALLOW"):
        read_source(csv(f"{protocol}://files.example/s.csv"))


@pytest.mark.parametrize(
    "path",
    [
        "smb://host/s.csv",
        "github://me:repo@main/s.csv",
        "reference::https://host/refs.json",
        "dask::https://host/s.csv",
        "simplecache::smb://host/s.csv",
        "git+ssh://host/s.csv",
        "arrow_hdfs://host/s.csv",
        "simplecache::arrow_hdfs::s.csv",
        "zip://*.csv::github::x",
        "data:text/csv;base64,c2t1",
        "generic://host/s.csv",
    ],
)
def test_protocol_outside_the_list_is_refused_also_in_a_chain(path: str) -> None:
    with pytest.raises(SpecError, match=r"is not supported; use one of file, s3, gs, abfs, https, sftp"):
        read_source(csv(path))


@pytest.mark.parametrize(
    ("path", "option", "storage"),
    [
        ("127.0.0.1/s.csv", "protocol", {"protocol": "http"}),
        ("simplecache://host/s.csv", "target_protocol", {"target_protocol": "http"}),
        ("simplecache://http://127.0.0.1:9/s.csv", "target_protocol", {"target_protocol": "http"}),
        ("simplecache://x.csv", "fo", {"simplecache": {"fo": "http://127.0.0.1/s.csv"}}),
        ("ftp://files.example/s.csv", "host", {"host": "127.0.0.1"}),
        ("zip://*.csv::s3://b/a.zip", "protocol", {"s3": {"protocol": "http"}}),
    ],
)
def test_second_address_in_the_options_is_refused(path: str, option: str, storage: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"source.storage.{option} names a second address; write both in path"):
        read_source(csv(path, storage=storage))


def test_sftp_host_that_cannot_be_resolved_is_not_left_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SourceUnreadable, match="the name of its host cannot be resolved"):
        read_source(csv("sftp://files.example/s.csv"))


def test_host_of_sftp_is_replaced_by_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(2, 1, 6, "", ("93.184.216.34", 0))])
    opened, options = checked_address(csv("sftp://me:pw@files.example:2222/a/s.csv", storage={"port": 2222}))
    assert (opened, options) == ("sftp://me:pw@93.184.216.34:2222/a/s.csv", {"port": 2222})
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(10, 1, 6, "", ("2606:2800:21f::1", 0, 0, 0))])
    assert checked_address(csv("ftp://files.example/s.csv"))[0] == "ftp://[2606:2800:21f::1]/s.csv"


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("8.8.8.8", False), ("2606:4700::1111", False), ("::ffff:8.8.8.8", False), ("64:ff9b::808:808", False),
        ("127.0.0.1", True), ("0.0.0.1", True), ("10.1.2.3", True), ("100.64.0.1", True), ("169.254.169.254", True),
        ("192.168.0.1", True), ("224.0.0.1", True), ("255.255.255.255", True), ("::1", True), ("::", True),
        ("fe80::1%eth0", True), ("fd00::1", True), ("ff02::1", True), ("::ffff:127.0.0.1", True),
        ("64:ff9b::7f00:1", True), ("2002:7f00:1::", True), ("2002:a00:1::", True),
    ],
)  # fmt: skip
def test_private_addresses_are_known_however_they_are_written(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_missing_file_of_a_public_server_is_not_taken_for_a_refusal(public: Server) -> None:
    public.shutdown()
    public.server_close()
    with pytest.raises(SourceUnreadable):
        read_source(csv(public.url("table.csv")))


@pytest.mark.parametrize("chain", ["", "simplecache::"])
def test_server_that_stalls_is_given_up_before_the_timeout_of_the_source(
    chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "READ_TIMEOUT_S", 0.3)
    with socket.socket() as stalled:  # accepts connections, and never answers
        stalled.bind((PRIVATE, 0))
        stalled.listen(8)
        source = csv(f"{chain}http://{PRIVATE}:{stalled.getsockname()[1]}/s.csv").permit_private_addresses(True)
        begun = time.monotonic()
        with pytest.raises(SourceUnreadable, match="the source"):
            read_source(source)
    assert time.monotonic() - begun < 5


def test_timeouts_of_the_user_win() -> None:
    own = {"client_kwargs": {"timeout": "mine"}}
    assert checked_address(csv("http://1.1.1.1/s.csv", storage=own))[1]["client_kwargs"] == own["client_kwargs"]
    timeout = checked_address(csv("http://1.1.1.1/s.csv"))[1]["client_kwargs"]["timeout"]
    assert (timeout.sock_connect, timeout.sock_read, timeout.total) == (15.0, 60.0, None)
