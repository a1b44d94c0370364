"""Refuses requests that a foreign web page makes: by the header Host (DNS rebinding) and by the header Origin.

A page of evil.example can let its own name point to 127.0.0.1; the browser then sends that name as Host. Programs send
the address that they connect to, and no Origin.
"""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.api.problems import problem_response

MAX_SHOWN_CHARACTERS = 80


class AddressGuard:
    """An ASGI app that passes on requests to its own addresses which no foreign page has made."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        """Take the allowed hosts, without ports; an IPv6 address without brackets."""
        self.app, self.hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        hosts, origins = (_values(scope, name) for name in (b"host", b"origin"))
        if len(hosts) != 1 or _without_port(hosts[0]) not in self.hosts:
            given = ", ".join(hosts)[:MAX_SHOWN_CHARACTERS]
            detail = f"the header Host is {given!r}, which is not an address of this service"
            detail += f". Send requests to {', '.join(sorted(self.hosts))}."
            await problem_response(421, detail)(scope, receive, send)
            return
        own = {f"{scheme}://{hosts[0]}" for scheme in ("http", "https")}
        foreign = [origin for origin in origins if origin not in own]
        if foreign:
            detail = f"a page of {foreign[0][:MAX_SHOWN_CHARACTERS]!r} may not call this service"
            detail += ". Open the page of the service at its own address."
            await problem_response(403, detail)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key.lower() == name]


def _without_port(host: str) -> str:
    """Return the name or address of a Host header: [::1]:8000 is ::1, localhost:8000 is localhost."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
