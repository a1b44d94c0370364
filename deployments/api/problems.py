"""Answers to requests that cannot be served: RFC 9457 problem documents, each with the fault, the place and the fix."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from data_contracts.errors import NightcastError, redact

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20  # that one document lists
MAX_TEXT_CHARACTERS = 500


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
        body["errors"] = errors[:MAX_ERRORS]
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        errors = [{"pointer": _pointer(entry["loc"]), "detail": str(entry["msg"])[:200]} for entry in found]
        first = errors[0] if errors else {"pointer": "", "detail": "it is not valid"}
        return problem_response(422, f"{first['pointer'] or 'the body'}: {first['detail']}", errors)

    @app.exception_handler(NightcastError)
    async def _refused(_: Request, error: NightcastError) -> JSONResponse:
        return problem_response(422, str(error))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        detail = {404: "this address does not exist. The addresses are listed at /openapi.json.",
                  405: "this address does not take this method. The methods are listed at /openapi.json."}  # fmt: skip
        headers = dict(error.headers or {})
        return problem_response(error.status_code, detail.get(error.status_code, str(error.detail)), None, headers)


def _pointer(location: tuple[int | str, ...]) -> str:
    """Return where in the request a value is: a JSON pointer into the body, or the name of a parameter."""
    source, *path = location
    if source == "body":
        return "/" + "/".join(map(str, path)) if path else ""
    return ".".join(map(str, path)) or str(source)
