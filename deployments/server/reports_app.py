"""Serves the pages under reports/ of the store, to be looked at and no more: an ASGI app for `nightcast up`.

Browsers open no file:// link from a page of the Prefect UI. A page gets an origin of its own (CSP sandbox), so that
nothing in it, whatever a series is called, can reach the Prefect API beside it.
"""

import re

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from data_contracts.errors import NightcastError

KINDS = {"html": "text/html; charset=utf-8", "svg": "image/svg+xml", "json": "application/json"}
PATH = re.compile(r"(pipeline=[a-z0-9-]+)/([A-Za-z0-9-]+)/([a-z]+)\.(html|svg|json)")
HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-popups",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class ReportsApp:
    """GET and HEAD of pipeline=…/<run>/<file>; nothing else, and nothing outside reports/."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await run_in_threadpool(self._answer, scope["method"], scope["path"], scope.get("root_path", ""))
        await answer(scope, receive, send)

    def _answer(self, method: str, path: str, root: str) -> Response:
        asked = PATH.fullmatch(path.removeprefix(root).lstrip("/"))
        if method not in ("GET", "HEAD"):
            return PlainTextResponse("only to be read\n", 405, headers=HEADERS)
        if not asked:
            return PlainTextResponse("there is no such page\n", 404, headers=HEADERS)
        from flows.settings import Settings  # takes a second, which the server's start need not wait for
        from tasks.storage.layout import REPORTS_PREFIX

        store = Settings().opened_store
        try:
            uri = f"{REPORTS_PREFIX}{asked.group(0)}"
            data = store.get_bytes(store.artifact_at(uri))
        except NightcastError as missing:
            return PlainTextResponse(f"{missing}\n", 404, headers=HEADERS)
        return Response(data, media_type=KINDS[asked.group(4)], headers=HEADERS)
