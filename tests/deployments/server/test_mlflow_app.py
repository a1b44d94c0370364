"""The first page of MLflow's UI gets the script with Nightcast's choices, and nothing else is changed."""

from pathlib import Path

import anyio
import httpx
import mlflow.server

from deployments.server import mlflow_app

PAGE = "<!doctype html><html><head><title>MLflow</title></head></html>"


async def served(scope, receive, send):
    """Stand in for MLflow: answer every path with the same page, in two parts."""
    fresh = dict(scope["headers"]).get(b"if-none-match") == b'"1"'
    headers = [(b"etag", b'"1"'), (b"content-type", b"text/html"), (b"content-length", str(len(PAGE)).encode())]
    await send({"type": "http.response.start", "status": 304 if fresh else 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE[:20].encode(), "more_body": True})
    await send({"type": "http.response.body", "body": PAGE[20:].encode()})


async def answer(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=mlflow_app.FirstPage(served))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path, headers={"If-None-Match": '"1"'} if path == "/" else {})


def test_first_page_has_the_script_before_all_others_even_if_the_browser_has_the_page() -> None:
    found = anyio.run(answer, "/")
    assert found.status_code == 200
    assert found.text == PAGE.replace("<head>", "<head>" + mlflow_app.SCRIPT.decode())
    assert int(found.headers["content-length"]) == len(found.content)
    assert "etag" not in found.headers


def test_other_paths_are_passed_on_unchanged() -> None:
    found = anyio.run(answer, "/static-files/main.js")
    assert (found.text, found.headers["etag"]) == (PAGE, '"1"')


def test_mlflow_still_has_the_mark_in_its_page() -> None:
    page = Path(mlflow.server.__path__[0]) / "js/build/index.html"
    assert page.read_bytes().count(mlflow_app.MARK) == 1
