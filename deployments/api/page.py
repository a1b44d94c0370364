"""The page at `/`: choose a series, see its forecast with bands, add an observation, watch the forecast move."""

from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

FOLDER = Path(__file__).parent / "page_files"
MEDIA_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@cache
def _read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def _file(name: str) -> Response:
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    return Response(_read(name), media_type=f"{media_type}; charset=utf-8", headers=SECURITY_HEADERS)


def add_to(app: FastAPI) -> None:
    """Add the page and its two files to the application."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return _file("page.html")

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return _file("page.js")

    @app.get("/page.css", include_in_schema=False)
    async def style() -> Response:
        return _file("page.css")
