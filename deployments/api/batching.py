"""Micro-batches: one thread computes, and what arrives meanwhile is its next batch. An idle service adds no wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from deployments.api.inference.champion import ServedChampion
from deployments.api.inference.service import ForecastService
from deployments.api.problems import Problem
from deployments.api.schemas import ForecastRequest

MAX_BATCH = 256  # requests
MAX_WAITING = 512  # requests; more are refused, so that memory and waiting times are bounded


class Work(NamedTuple):
    """One call of the service and where its result goes. `names`: forecasts of known series, which are joined."""

    call: Callable[[], Any] | None
    names: list[str]
    result: "asyncio.Future[Any]"


class InferenceQueue:
    """Runs calls of a service in one thread, in the order of their arrival."""

    def __init__(self, service: ForecastService) -> None:
        self.service = service
        self.waiting: asyncio.Queue[Work] = asyncio.Queue(MAX_WAITING)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self.batches = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to compute."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish what is waiting, then stop."""
        await self.waiting.join()
        if self._task:
            self._task.cancel()
        self.thread.shutdown()

    async def forecast(self, request: ForecastRequest) -> dict[str, Any]:
        """Forecast; known series without further observations are computed together with those of other requests."""
        if request.history is None and not request.observations:
            return await self._submit(None, request.series or [])
        return await self._submit(lambda: self.service.forecast(request))

    async def run(self, call: Callable[[], Any]) -> Any:
        """Run a call of the service in its thread."""
        return await self._submit(call)

    async def exchange(self, champion: ServedChampion) -> int:
        """Exchange the champion between two batches; return the number of observations that were taken over."""
        taken_over: int = await self._submit(lambda: self.service.exchange(champion))
        return taken_over

    async def _submit(self, call: Callable[[], Any] | None, names: list[str] | None = None) -> Any:
        work = Work(call, names or [], asyncio.get_running_loop().create_future())
        try:
            self.waiting.put_nowait(work)
        except asyncio.QueueFull:
            raise Problem(503, f"{MAX_WAITING} requests are waiting. Try again in a second.", Retry_After="1") from None
        return await work.result

    async def _run(self) -> None:
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < MAX_BATCH and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            results = await asyncio.get_running_loop().run_in_executor(self.thread, self._compute, batch)
            self.batches += 1
            for work, result in zip(batch, results, strict=True):
                self.waiting.task_done()
                if work.result.cancelled():  # the client has gone
                    continue
                if isinstance(result, Exception):
                    work.result.set_exception(result)
                else:
                    work.result.set_result(result)

    def _compute(self, batch: list[Work]) -> list[Any]:
        """Compute a batch in its order; forecasts of known series that follow each other are one call."""
        results: list[Any] = []
        batch = [work._replace(call=_skip) if work.result.cancelled() else work for work in batch]
        index = 0
        while index < len(batch):
            end = index
            while end < len(batch) and batch[end].call is None:
                end += 1
            if end > index:
                results += self._forecast_known([work.names for work in batch[index:end]])
                index = end
            else:
                results.append(_result_of(batch[index].call))
                index += 1
        return results

    def _forecast_known(self, requests: list[list[str]]) -> list[Any]:
        joined = _result_of(lambda: self.service.forecast_many(requests))
        return joined if isinstance(joined, list) else [joined] * len(requests)


def _skip() -> None:
    """Stand for a call whose client has gone, or got the answer that it took too long."""


def _result_of(call: Callable[[], Any] | None) -> Any:
    """Return the result of a call, or its error, which is the answer to its request and not the end of the thread."""
    try:
        return call() if call else None
    except Exception as error:  # noqa: BLE001 - as above
        return error
