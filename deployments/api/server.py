"""Run the service: loopback by default, an API key anywhere else, a graceful end on SIGTERM."""

import asyncio
import logging
import signal
import socket
import sys
import time
from importlib.metadata import version
from typing import Any, NamedTuple

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from data_contracts.errors import NightcastError, SpecError
from deployments.api.app import build_app, guard
from deployments.api.guards import Limits
from deployments.api.inference.champion import ServedChampion, ServeOptions, load_champion
from deployments.api.lifecycle import ServiceState
from flows.pipeline.published import identify_pipeline
from flows.settings import Settings
from models.streaming.obstacles import streaming_obstacles

LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEY_VARIABLE = "NIGHTCAST_SERVE_KEY"
MIN_KEY_CHARACTERS = 16
DRAIN_S = 20
READY_GRACE_S = 1.0  # from SIGTERM until no connection is taken: a load balancer sees /ready, and requests are served
SLOW_CLIENT_S = 5  # an idle connection is closed
HEADERS_S = 15.0  # for the headers of a request


class ServeRequest(NamedTuple):
    """What to serve, and where."""

    pipeline: str
    host: str = "127.0.0.1"
    port: int = 8000
    options: ServeOptions = ServeOptions()
    limits: Limits = Limits()
    poll_s: float = 5.0
    max_connections: int = 1_000


class DrainingServer(uvicorn.Server):
    """A uvicorn server that reports itself as not ready before it stops."""

    def __init__(self, config: uvicorn.Config, state: ServiceState) -> None:
        super().__init__(config)
        self.state = state
        self.closing_at: float | None = None

    def handle_exit(self, sig: int, frame: object) -> None:
        """Report the service as not ready; soon after take no connections, and answer requests that have begun.

        A second signal ends at once. Unlike uvicorn's own method it does not raise the signal again afterwards: the
        command ends with exit code 0.
        """
        self.force_exit = self.should_exit or self.closing_at is not None
        self.should_exit = self.force_exit or sig == signal.SIGINT
        self.state.draining, self.closing_at = True, time.monotonic() + READY_GRACE_S

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say which model serves where."""
        await super().startup(sockets)
        if self.started:
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            champion = self.state.champion
            where = f"{champion.candidate.label} of {champion.pipeline} on http://{host}:{self.config.port}"
            sys.stderr.write(f"{where}: {describe_encoding(champion, self.state.options)}\n")

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; uvicorn asks ten times a second."""
        if self.closing_at is not None and time.monotonic() >= self.closing_at:
            self.should_exit = True
        return await super().on_tick(counter)


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """HTTP on one connection, by httptools or h11, whichever is installed. It ends if headers do not arrive in time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch the connection."""
        super().connection_made(transport)
        self.loop.call_later(HEADERS_S, self._watch, None)

    def _watch(self, before: object) -> None:
        """Close the connection if it began no request since the last look, at which it had none or an answered one."""
        if self.transport.is_closing():
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is before:
            self.transport.close()
            return
        self.loop.call_later(HEADERS_S, self._watch, self.cycle if is_idle else self)


def describe_encoding(champion: ServedChampion, options: ServeOptions) -> str:
    """Return what the forecasts of a champion follow from, and why not from the carried state if that was asked for."""
    if champion.forecaster.carried:
        return "forecasts from the carried state"
    reasons = "; ".join(streaming_obstacles(champion.bundle)) if options.carried else ""
    return "forecasts from the lookback" + (f", as the state cannot be carried exactly: {reasons}" if reasons else "")


def serve(request: ServeRequest) -> tuple[dict[str, Any], str]:
    """Serve until SIGTERM or SIGINT.

    Returns:
        Facts and the same as text, after a graceful end.

    Raises:
        SpecError: The address is not this machine alone and no API key is set, or the key is too short.
        NightcastError: The pipeline has no champion or no published forecast, or the port is taken.
    """
    secret = Settings().serve_key
    key = (secret.get_secret_value() if secret else "") or None
    if key is None and request.host not in LOOPBACK:
        raise SpecError(
            f"--host {request.host} is open to other machines, and no API key is set. Set {KEY_VARIABLE} to a secret "
            f"of at least {MIN_KEY_CHARACTERS} characters; requests send it as the header X-API-Key."
        )
    if key is not None and len(key) < MIN_KEY_CHARACTERS:
        raise SpecError(
            f"{KEY_VARIABLE} has {len(key)} characters. Use at least {MIN_KEY_CHARACTERS}, chosen at random."
        )
    store = Settings().opened_store
    name = identify_pipeline(request.pipeline, store).name
    state = ServiceState(load_champion(name, store, request.options), store, request.options, request.poll_s)
    hosts = list(LOOPBACK) if request.host in LOOPBACK else ["*"]
    app = guard(build_app(state, store, version("nightcast")), state.metrics, hosts, key, request.limits)
    _log_access_lines()
    config = uvicorn.Config(
        app,
        host=request.host,
        port=request.port,
        http=BoundedProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=SLOW_CLIENT_S,
        timeout_graceful_shutdown=DRAIN_S,
        limit_concurrency=request.max_connections,
    )
    server = DrainingServer(config, state)
    try:
        server.run()
    except SystemExit as ended:  # uvicorn has said why on stderr
        raise NightcastError(
            f"the service could not listen on {request.host}:{request.port}. Choose another --port."
        ) from ended
    facts = {"pipeline": name, "answered": state.metrics.answered()}
    return facts, f"the service of {name} has ended after {facts['answered']:,} requests"


def _log_access_lines() -> None:
    """Write access lines to stdout, one JSON object each; messages stay on stderr."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("nightcast.access")
    access.handlers, access.propagate = [handler], False
    access.setLevel(logging.INFO)
