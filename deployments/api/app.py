"""The HTTP application: routes of the service, and the guards around them."""

from bisect import bisect_right
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from deployments.api import page
from deployments.api.address_guard import AddressGuard
from deployments.api.batching import InferenceQueue
from deployments.api.guards import BodyGuard, KeyGuard, Limits, RateGuard
from deployments.api.lifecycle import ServiceState
from deployments.api.problems import MEDIA_TYPE, Problem, add_handlers
from deployments.api.published import choose_format, read_published
from deployments.api.schemas import (
    ForecastRequest,
    ForecastResponse,
    ObserveRequest,
    ObserveResponse,
    ProblemDocument,
    SeriesPage,
    SeriesState,
)
from deployments.api.telemetry import Metrics, Telemetry
from flows.pipeline.published import ReadRequest
from tasks.storage.store import Store

MAX_PAGE = 1_000
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument, "content": {MEDIA_TYPE: {}}, "description": description}
    for status, description in (
        (401, "The API key is missing or wrong."),
        (404, "The series or the address does not exist."),
        (422, "The request is refused; the document names the place, the value and the fix."),
        (429, "The client sends too many requests."),
        (503, "The service is not ready, or has too much to do."),
    )
}


def build_app(state: ServiceState, store: Store, version: str) -> FastAPI:
    """Build the application without its guards.

    Args:
        state: The service, its queue and whether it is ready.
        store: Where published forecasts are read.
        version: Release of Nightcast.

    Returns:
        The application; its lifespan starts and stops `state`.
    """
    # FastAPI's pages of documentation load their scripts from other hosts
    app = FastAPI(title="Nightcast", version=version, lifespan=state.lifespan, responses=PROBLEMS, docs_url=None,
                  redoc_url=None, summary=f"Real-time forecasts of the pipeline {state.pipeline}.")  # fmt: skip
    add_handlers(app)
    _add_inference(app, state)
    _add_operations(app, state, version)
    _add_published(app, state.pipeline, store)
    page.add_to(app)
    return app


def guard(app: FastAPI, metrics: Metrics, hosts: list[str], key: str | None, limits: Limits) -> ASGIApp:
    """Put the guards around the application: what a request must pass, from the outside to the inside.

    Args:
        app: The application.
        metrics: Counts every request.
        hosts: Allowed values of the header Host, without the port; `*` allows all.
        key: The API key; None: none is needed.
        limits: Bounds of size, time and rate.

    Returns:
        An ASGI app.
    """
    inner: ASGIApp = BodyGuard(app, limits)
    inner = KeyGuard(RateGuard(inner, limits.rate), key)
    if "*" not in hosts:
        inner = AddressGuard(inner, hosts)
    return Telemetry(inner, metrics)


def _add_inference(app: FastAPI, state: ServiceState) -> None:
    @app.post("/v1/forecast", response_model=ForecastResponse, tags=["forecasts"])
    async def forecast(request: ForecastRequest) -> JSONResponse:
        """Forecast known series from their kept states, or any series from its history."""
        answer = await state.queue_or_problem().forecast(request)
        state.metrics.forecasts.inc(len(answer["forecasts"]))
        return JSONResponse(answer)

    @app.post("/v1/observe", response_model=ObserveResponse, tags=["forecasts"])
    async def observe(request: ObserveRequest) -> JSONResponse:
        """Take observations of known series and forecast what follows. All are taken, or none."""
        queue = state.queue_or_problem()
        answer = await queue.run(lambda: queue.service.observe(request))
        for result in answer["results"]:
            state.metrics.observations.labels(result["outcome"]).inc()
        state.metrics.forecasts.inc(len(answer["forecasts"]))
        return JSONResponse(answer)

    @app.get("/v1/series", response_model=SeriesPage, tags=["series"])
    async def list_series(
        after: Annotated[str, Query(max_length=512, description="Names after this one.")] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    ) -> JSONResponse:
        """List the names of known series, sorted."""
        service = state.queue_or_problem().service
        begin = bisect_right(service.names, after)
        page_of_names = {"series": service.names[begin : begin + limit], "total": len(service.names)}
        return JSONResponse(service.heading() | page_of_names)

    @app.get("/v1/series/{unique_id:path}", response_model=SeriesState, tags=["series"])
    async def read_series(unique_id: str) -> JSONResponse:
        """Return what is kept of a series, and its forecast."""
        queue: InferenceQueue = state.queue_or_problem()
        return JSONResponse(await queue.run(lambda: queue.service.describe(unique_id)))


def _add_published(app: FastAPI, pipeline: str, store: Store) -> None:
    @app.get("/v1/forecasts", tags=["published"], responses={200: {"description": "Published forecasts as rows."}})
    async def read_forecasts(
        request: Request,
        unique_id: Annotated[list[str] | None, Query(max_length=1_000, description="Only these series.")] = None,
        ds: Annotated[str | None, Query(max_length=80, description="A date, a time, or FROM..TO.")] = None,
        as_of: Annotated[str | None, Query(max_length=40, description="Nights at or before this time.")] = None,
        vintages: Annotated[str, Query(max_length=10, description="newest or all.")] = "newest",
        format: Annotated[str | None, Query(max_length=20, description="json, csv, parquet or arrow.")] = None,  # noqa: A002 - the name of the parameter
    ) -> Response:
        """Read batch forecasts that nights have published."""
        chosen = choose_format(format, request.headers.get("accept", ""))
        asked = ReadRequest(pipeline, "forecasts", as_of, vintages, ds, tuple(unique_id or ()))
        table = await run_in_threadpool(read_published, asked, chosen, store)
        return Response(table.data, media_type=table.media_type)


def _add_operations(app: FastAPI, state: ServiceState, version: str) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> dict[str, str]:
        """Answer as long as the process lives."""
        return {"status": "alive"}

    @app.get("/ready", tags=["operations"])
    async def ready() -> dict[str, str]:
        """Answer 200 when the service takes requests, 503 while it loads or drains."""
        if not state.is_ready:
            raise Problem(503, state.reason, Retry_After="1")
        return {"status": "ready"}

    @app.get("/version", tags=["operations"])
    async def read_version() -> dict[str, Any]:
        """Return the release and the model that serves."""
        service = state.queue.service if state.queue else None
        facts = service.heading() if service else {"pipeline": state.pipeline}
        return {"nightcast": version, "engine": state.engine, **facts}

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def read_metrics() -> Response:
        """Return the metrics in the format of Prometheus."""
        state.update_gauges()
        return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
