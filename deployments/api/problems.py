"""Answers to requests that cannot be served: RFC 9457 problem documents, each with the fault, the place and the fix."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from data_contracts.errors import NightcastError, StoreDamaged, redact
from tasks.history.published import NotPublished

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20  # that one document lists
MAX_TEXT_CHARACTERS = 500
MAX_VALUE_CHARACTERS = 40
DESCRIBED = "The requests and answers are described at /openapi.json."
DETAILS = {
    400: f"the body cannot be read as JSON: it is nested too deeply, or a number has too many digits. {DESCRIBED}",
    404: "this address does not exist. The addresses are listed at /openapi.json.",
    405: "this address does not take this method. The methods are listed at /openapi.json.",
}


class Problem(Exception):
    """A request that cannot be served as it is."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, Any]] | None = None, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors or []
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def problem_response(
    status: int, detail: str, errors: list[dict[str, Any]] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Build the answer: status, its title, what is wrong and what to do, and the places in the request."""
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body["detail"] = redact(detail)[:MAX_TEXT_CHARACTERS]
    if errors:
        body["errors"] = [entry | {"detail": redact(entry["detail"])} for entry in errors[:MAX_ERRORS]]
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _describe_invalid(request, list(error.errors()))

    @app.exception_handler(NightcastError)
    async def _refused(_: Request, error: NightcastError) -> JSONResponse:
        if isinstance(error, StoreDamaged):
            return problem_response(503, f"{error} The service serves on from what it has.", None, {"Retry-After": "5"})
        return problem_response(404 if isinstance(error, NotPublished) else 422, str(error))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        detail = DETAILS.get(error.status_code, str(error.detail))
        return problem_response(error.status_code, detail, None, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _failed(_: Request, __: Exception) -> JSONResponse:
        return problem_response(500, "the service failed at this request; its log on stderr has the reason.")


def _describe_invalid(request: Request, violations: list[Any]) -> JSONResponse:
    """Answer a request that does not have the form of the description: 415 if it is not JSON, else 422."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if violations and violations[0]["loc"] == ("body",) and not _is_json(media_type) and request.method == "POST":
        given = f"Content-Type is {media_type[:80]!r}" if media_type else "Content-Type is missing"
        return problem_response(415, f"{given}. Send JSON, with Content-Type: application/json.")
    errors = [_describe(entry) for entry in violations[:MAX_ERRORS]]
    first = errors[0] if errors else {"pointer": "", "detail": "it is not valid"}
    more = f" {len(violations) - 1} more values are refused." if len(violations) > 1 else ""
    text = f"{first['pointer'] or 'the body'}: {first['detail']}.{more} {DESCRIBED}"
    return problem_response(422, text, errors)


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _describe(entry: dict[str, Any]) -> dict[str, Any]:
    """Return where a value is and what is wrong with it, with the value if it is short."""
    if entry["type"] == "json_invalid":
        reason = str((entry.get("ctx") or {}).get("error", ""))[:MAX_VALUE_CHARACTERS].rstrip(".")
        return {"pointer": "", "detail": f"it is not JSON at character {entry['loc'][-1]}: {reason}"}
    text = str(entry["msg"]).removeprefix("Value error, ")[:200]
    value = entry.get("input")
    if isinstance(value, str | int | float) and entry["type"] != "value_error":
        text += f", and it is {_show(value)}"
    return {"pointer": _pointer(entry["loc"]), "detail": text}


def _show(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python prints no number of more than 4300 digits
        return "a number of too many digits"
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _pointer(location: tuple[int | str, ...]) -> str:
    """Return where in the request a value is: a JSON pointer into the body, or the name of a parameter."""
    source, *path = location
    if source == "body":
        return "".join(f"/{_escape(str(part))}" for part in path)
    return ".".join(map(str, path)) or str(source)


def _escape(part: str) -> str:
    """Return a part of a JSON pointer (RFC 6901) of bounded length."""
    return part[:MAX_VALUE_CHARACTERS].replace("~", "~0").replace("/", "~1")
