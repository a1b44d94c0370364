"""What a request must pass before it is read: the API key, the rate of its client, the size and time of its body."""

import asyncio
import hmac
import time
from collections import OrderedDict
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.problems import problem_response

OPEN_PATHS = ("/health", "/ready", "/metrics", "/version")  # for load balancers and Prometheus, without a key
PAGE_PATHS = ("/", "/page.js", "/page.css")  # asks for the key
MAX_CLIENTS = 10_000  # whose rate is remembered
MAX_BODIES = 8  # largest bodies that are kept in memory at once
KEY_HEADER = b"x-api-key"


class Limits(NamedTuple):
    """Bounds of a request. `rate` is in requests a second and client, with bursts of twice as many; 0: no bound."""

    body_bytes: int = 32 * 2**20
    body_s: float = 15.0
    answer_s: float = 60.0
    rate: float = 0.0


class KeyGuard:
    """Refuses requests without the API key, compared in constant time."""

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self.app, self.key = app, key.encode() if key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http" or self.key is None or scope["path"] in (*OPEN_PATHS, *PAGE_PATHS):
            await self.app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name.lower() == KEY_HEADER]
        bearer = [v[7:] for n, v in scope["headers"] if n.lower() == b"authorization" and v[:7].lower() == b"bearer "]
        if any([hmac.compare_digest(value, self.key) for value in (*given, *bearer)]):  # noqa: C419 - all are compared
            await self.app(scope, receive, send)
            return
        detail = "this address needs the API key. Send it as the header X-API-Key, or as Authorization: Bearer."
        await problem_response(401, detail, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)


class RateGuard:
    """Refuses a client that sends more requests than its rate: a token bucket for each address."""

    def __init__(self, app: ASGIApp, rate: float) -> None:
        self.app, self.rate, self.burst = app, rate, max(1.0, 2 * rate)
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http" or not self.rate or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        client = (scope.get("client") or ("",))[0]
        now = time.monotonic()
        tokens, seen = self.buckets.pop(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - seen) * self.rate)
        self.buckets[client] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self.buckets) > MAX_CLIENTS:
            self.buckets.popitem(last=False)
        if tokens >= 1:
            await self.app(scope, receive, send)
            return
        detail = f"more than {self.rate:g} requests a second come from {client}. Send several series in one request."
        wait = max(1, round((1 - tokens) / self.rate))
        await problem_response(429, detail, headers={"Retry-After": str(wait)})(scope, receive, send)


class BodyRefused(Exception):
    """A body that is not read to its end."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class BodyGuard:
    """Reads the whole body within its limits before the application sees the request, and bounds the answer in time."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.held = 0  # bytes of the bodies of all requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.limits.body_s):
                await self._read(scope, receive, parts)
            await self._answer(scope, parts, receive, send)
        except BodyRefused as refused:
            headers = {"Connection": "close"} | ({"Retry-After": "1"} if refused.status == 503 else {})
            await problem_response(refused.status, refused.detail, headers=headers)(scope, receive, send)
        except TimeoutError:
            detail = f"the body did not arrive within {self.limits.body_s:g} s. Split the request."
            await problem_response(408, detail, headers={"Connection": "close"})(scope, receive, send)
        finally:
            self.held -= sum(map(len, parts))

    async def _read(self, scope: Scope, receive: Receive, parts: list[bytes]) -> None:
        """Read the body into `parts`. Raises BodyRefused."""
        size, limit = 0, self.limits.body_bytes
        declared = [value for name, value in scope["headers"] if name.lower() == b"content-length" and value.isdigit()]
        too_large = BodyRefused(413, f"the body is larger than {limit:,} bytes. Split the request.")
        if any(int(value[:20]) > limit for value in declared):
            raise too_large
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large
            if self.held + len(part) > MAX_BODIES * limit:
                raise BodyRefused(503, "the bodies of other requests fill the memory. Try again in a second.")
            self.held += len(part)
            parts.append(part)
            if not message.get("more_body"):
                return

    async def _answer(self, scope: Scope, parts: list[bytes], receive: Receive, send: Send) -> None:
        started, given = False, False

        async def receive_body() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": b"".join(parts), "more_body": False}

        async def send_once(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self.limits.answer_s):
                await self.app(scope, receive_body, send_once)
        except TimeoutError:
            if not started:
                detail = f"the answer took longer than {self.limits.answer_s:g} s. Ask for fewer series at once."
                await problem_response(504, detail)(scope, receive, send)
