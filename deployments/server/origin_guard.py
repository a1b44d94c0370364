"""Refuses requests of foreign web pages on every route of `nightcast up`, WebSockets included.

A browser sends Origin with each WebSocket and each request that can change something, and no page can forge it.
Programs send none. CORS headers only keep a page from reading an answer, and do not exist for WebSockets.
"""

from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

POLICY_VIOLATION = 1008  # close code of RFC 6455


class OriginGuard:
    """An ASGI app that passes on requests without Origin, or with one of its own."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app, self.hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        foreign = self._foreign_origin(scope) if scope["type"] in ("http", "websocket") else ""
        if not foreign:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            message = f"a page of {foreign[:80]!r} may not call this server. Open the UI at its own address."
            await JSONResponse({"detail": message}, 403)(scope, receive, send)

    def _foreign_origin(self, scope: Scope) -> str:
        """Return the first origin that is not of this server; empty if all are its own."""
        headers = [(name.lower(), value.decode("latin-1").lower()) for name, value in scope["headers"]]
        addressed = {value for name, value in headers if name == b"host" and value.partition(":")[0] in self.hosts}
        own = {f"{scheme}://{host}" for host in addressed for scheme in ("http", "https")}
        origins = (value for name, value in headers if name == b"origin")
        return next((origin or "null" for origin in origins if origin not in own), "")
