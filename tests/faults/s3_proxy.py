"""An HTTP proxy in front of an S3 server, which misbehaves by rule: errors, lost answers, resets, silence, death."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, urlsplit

Rule = Callable[[int, str, str], str]
HANG_S = 300.0
ERRORS = {"500": ("InternalError", 500), "503": ("SlowDown", 503)}


class Handler(BaseHTTPRequestHandler):
    """One connection of a client; `proxy` and `target` are set by the proxy that it belongs to."""

    proxy: "FaultProxy"
    target: SplitResult
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def answer(self) -> None:
        with self.proxy.lock:
            number, self.proxy.count = self.proxy.count, self.proxy.count + 1
        action = self.proxy.rule(number, self.command, self.path)
        body = self.read_body()
        if action == "reset":
            self.reset()
        elif action == "hang":
            time.sleep(HANG_S)
        elif action in ERRORS:
            code, status = ERRORS[action]
            self.reply(status, [("Content-Type", "application/xml")], f"<Error><Code>{code}</Code></Error>".encode())
        else:
            response = self.forward(body)
            if action == "lost":
                self.reset()
            else:
                self.reply(*response)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "expect")}
        connection.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        response = connection.getresponse()
        data = response.read()
        hop = ("transfer-encoding", "connection", "content-length")
        kept = [(k, v) for k, v in response.getheaders() if k.lower() not in hop]
        length = response.getheader("Content-Length") if self.command == "HEAD" else None
        connection.close()
        return response.status, [*kept, ("Content-Length", length or str(len(data)))], data

    def reply(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers if "content-length" in names else [*headers, ("Content-Length", str(len(data)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_args: object) -> None: ...


class FaultProxy:
    """`rule(n, method, path)` decides for the n-th request: pass, 500, 503, reset, lost (not answered) or hang."""

    def __init__(self, endpoint: str) -> None:
        self.rule: Rule = lambda n, method, path: "pass"
        self.count, self.lock = 0, threading.Lock()
        handler = type("BoundHandler", (Handler,), {"proxy": self, "target": urlsplit(endpoint)})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def obey(self, rule: Rule | None) -> None:
        """Count from 0 again, under another rule; None lets everything pass."""
        self.count, self.rule = 0, rule or (lambda n, method, path: "pass")
