"""MLflow's server whose UI opens on the experiments of trained models, as the app `nightcast` of `mlflow server`.

MLflow keeps the choices of a browser in its local storage. Its first page is for agents, with a notice on usage data
and an open assistant. The script sets what a browser has not chosen yet, so that a person's own choices stay.
"""

import json

from mlflow.server.fastapi_app import app as mlflow_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHOICES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.telemetry.info.alert.dismissed_v1": "true",
    "mlflow.settings.telemetry.enabled_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",  # it opens itself once
}
SCRIPT = (
    "<script>"
    f"for (const [name, value] of Object.entries({json.dumps(CHOICES)}))"
    " if (localStorage.getItem(name) === null) localStorage.setItem(name, value);"
    ' if (!location.hash) location.hash = "#/experiments";'
    "</script>"
).encode()
MARK = b"<head>"
CONDITIONS = (b"if-none-match", b"if-modified-since", b"range")  # a browser may have MLflow's own page in its cache
REPLACED = (b"content-length", b"etag", b"last-modified", b"accept-ranges")


class FirstPage:
    """An ASGI app that adds the script to the page at `/`, and passes on everything else unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        headers = [entry for entry in scope["headers"] if entry[0].lower() not in CONDITIONS]
        begun, body = list[Message](), bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            body.extend(message.get("body", b""))
            if message["type"] != "http.response.body" or message.get("more_body"):
                return
            page = bytes(body).replace(MARK, MARK + SCRIPT, 1)
            kept = [entry for entry in begun[0]["headers"] if entry[0].lower() not in REPLACED]
            length = (b"content-length", str(len(page)).encode())
            await send({**begun[0], "headers": [*kept, length]})
            await send({"type": "http.response.body", "body": page})

        await self.app({**scope, "headers": headers, "extensions": {}}, receive, collect)


app = FirstPage(mlflow_app)
