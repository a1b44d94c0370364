"""Serves pages and published forecasts of the store read-only: an ASGI app inside the server of `nightcast up`.

Browsers open no file:// link from a page of the Prefect UI. The CSP sandbox gives each page its own origin, so that
nothing in a page, such as the name of a series, can reach the Prefect API on the same port.
"""

import re

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from data_contracts.errors import NightcastError

MEDIA_TYPES = {"html": "text/html; charset=utf-8", "svg": "image/svg+xml", "json": "application/json"}
MEDIA_TYPES |= {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
MEDIA_TYPES |= {"parquet": "application/vnd.apache.parquet"}
SERVED_PATHS = {
    "reports": re.compile(
        r"pipeline=[a-z0-9-]+/[\w-]+/[a-z]+\.(?:html|svg|json)|assets/[0-9a-f]{64}\.(?:js|css)", re.A
    ),
    "forecasts": re.compile(r"pipeline=[a-z0-9-]+/vintage=[0-9TZ-]+/forecasts\.parquet"),
}
INDEX = ("", "index.html")
SECURITY_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-popups allow-downloads",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class ReportsApp:
    """Answers GET and HEAD of the files in `folder` of the store that match its pattern, and of nothing else."""

    def __init__(self, folder: str = "reports") -> None:
        self.folder, self.pattern = folder, SERVED_PATHS[folder]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        response = await run_in_threadpool(self._respond, scope["method"], scope["path"], scope.get("root_path", ""))
        await response(scope, receive, send)

    def _respond(self, method: str, path: str, root: str) -> Response:
        asked = path.removeprefix(root).lstrip("/")
        match = self.pattern.fullmatch(asked)
        if method not in ("GET", "HEAD"):
            return PlainTextResponse("method not allowed: the store is read-only\n", 405, headers=SECURITY_HEADERS)
        if self.folder == "reports" and asked in INDEX:
            return _index() if asked or path.endswith("/") else RedirectResponse(f"{path}/", headers=SECURITY_HEADERS)
        if not match:
            return PlainTextResponse("page not found\n", 404, headers=SECURITY_HEADERS)
        from flows.settings import Settings  # takes a second: imported here, so that the server starts without it

        store = Settings().opened_store
        try:
            uri = f"{self.folder}/{match.group(0)}"
            data = store.get_bytes(store.artifact_at(uri))
        except NightcastError as error:
            return PlainTextResponse(f"{error}\n", 404, headers=SECURITY_HEADERS)
        return Response(data, media_type=MEDIA_TYPES[uri.rpartition(".")[2]], headers=SECURITY_HEADERS)


def _index() -> Response:
    """Answer with the newest nights of every pipeline."""
    from flows.pipeline.heading import list_stored
    from flows.settings import Settings
    from tasks.report.index_page import render_index

    store = Settings().opened_store
    page = render_index(list_stored(store), store)
    return Response(page, media_type=MEDIA_TYPES["html"], headers=SECURITY_HEADERS)
