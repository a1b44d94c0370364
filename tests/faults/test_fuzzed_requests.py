"""Broken requests to the reports of `nightcast up`: an answer of HTTP each time, and no file outside of reports."""

import random
import shutil
import string
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from deployments.server.origin_guard import OriginGuard
from deployments.server.reports_app import ReportsApp

FORMATS = Path(__file__).parents[1] / "formats"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "G\u00c9T")
PARTS = (
    *("pipeline=shop", "pipeline=", "pipeline=..", "..", ".", "", "%2e%2e", "%2f", "%00", "a" * 3000, "index.html"),
    *(
        "nightly",
        "runs",
        "artifacts",
        "latest",
        "\x00",
        "é",
        "🙂",
        "index.html%00.json",
        "x.svg",
        "<script>",
        "//",
        "\\",
    ),
)
HEADERS = ("origin", "host", "range", "accept", "content-length", "transfer-encoding", "x-forwarded-host", "cookie")
OTHER_PAGE = "the page of no run"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(FORMATS / "night_store", tmp_path / "store")
    page = tmp_path / "store/reports/pipeline=shop/nightly/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>the page of a run</p>", encoding="utf-8")
    (tmp_path / "index.html").write_text(OTHER_PAGE, encoding="utf-8")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def request_of(draw: random.Random) -> httpx.Request:
    path = "/".join(draw.choice(PARTS) for _ in range(draw.randint(1, 5)))
    if draw.randrange(3) == 0:
        path = "pipeline=shop/nightly/index.html"
    if draw.randrange(2):
        index = draw.randrange(len(path) + 1)
        path = path[:index] + draw.choice(string.printable) + path[index:]
    headers = {draw.choice(HEADERS): draw.choice((*PARTS, "null", "http://evil.example", "bytes=0-99999999999", "-1"))}
    headers = {name: value.encode("utf-8").replace(b"\0", b"") for name, value in headers.items()}
    body = draw.randbytes(draw.choice((0, 10, 5000)))
    quoted = "".join(
        letter if (letter.isascii() and letter.isprintable()) else "".join(f"%{byte:02x}" for byte in letter.encode())
        for letter in path
    )
    try:
        url: Any = httpx.URL("http://localhost/").copy_with(raw_path=b"/" + quoted.encode("utf-8"))
    except httpx.InvalidURL:  # this client does not send it
        url = "http://localhost/"
    return httpx.Request(draw.choice(METHODS).encode("utf-8"), url, headers=headers, content=body)


@pytest.mark.parametrize("count", [60, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("store")
def test_broken_request_gets_an_answer_and_no_other_file(count: int) -> None:
    requests = [request_of(random.Random(f"request {number}")) for number in range(count)]  # noqa: S311 - no secret
    requests.append(httpx.Request("GET", "http://localhost/pipeline=shop/nightly/index.html"))

    async def answer_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(OriginGuard(ReportsApp(), ["localhost"]))  # type: ignore[arg-type]
        return [await transport.handle_async_request(request) for request in requests]

    answers = anyio.run(answer_all)
    assert {answer.status_code for answer in answers} <= {200, 403, 404, 405}
    bodies = {anyio.run(answer.aread) for answer in answers}
    assert not any(OTHER_PAGE.encode() in body or b"Traceback" in body or b"PAR1" in body for body in bodies)
    assert answers[-1].status_code == 200
