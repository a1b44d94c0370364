"""The service from start to drain: it watches the store for another champion, and ends in order."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool

from data_contracts.errors import redact
from deployments.api.batching import InferenceQueue
from deployments.api.inference.champion import ServedChampion, ServeOptions, champion_marker, load_champion
from deployments.api.inference.service import ForecastService
from deployments.api.problems import Problem
from deployments.api.telemetry import Metrics
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


class ServiceState:
    """The queue of one pipeline's service, and whether it takes requests."""

    def __init__(self, champion: ServedChampion, store: Store, options: ServeOptions, poll_s: float) -> None:
        self.champion, self.store, self.options, self.poll_s = champion, store, options, poll_s
        self.pipeline, self.metrics = champion.pipeline, Metrics()
        self.queue: InferenceQueue | None = None
        self.draining = False

    @property
    def reason(self) -> str:
        """Why no requests are taken."""
        return "the service ends after the running requests." if self.draining else "the service is starting."

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.options.engine

    @property
    def is_ready(self) -> bool:
        """Whether requests are taken."""
        return self.queue is not None and not self.draining

    def queue_or_problem(self) -> InferenceQueue:
        """Return the queue. Raises Problem 503 before the service has started."""
        if self.queue is None:
            raise Problem(503, self.reason, Retry_After="1")
        return self.queue

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """Take requests, watch for another champion, and finish what is waiting at the end."""
        self.queue = InferenceQueue(ForecastService(self.champion))
        self.queue.start()
        self._count(self.champion)
        watcher = asyncio.create_task(self._watch(self.champion.marker))
        try:
            yield
        finally:
            watcher.cancel()
            await self.queue.stop()

    async def _watch(self, marker: str) -> None:
        """Load the champion again when a decision or a forecast is new; until then the old one serves."""
        queue, reported = self.queue_or_problem(), ""
        while True:
            await asyncio.sleep(self.poll_s)
            try:
                newest = await run_in_threadpool(champion_marker, self.pipeline, self.store)
                if newest == marker:
                    reported = ""
                    continue
                champion = await run_in_threadpool(load_champion, self.pipeline, self.store, self.options)
                count = await queue.exchange(champion)
            except Exception as error:  # noqa: BLE001 - a store that fails must not end the service
                self.metrics.reloads.labels("failed").inc()
                reason = redact(str(error))
                if reason != reported:  # not again at every poll
                    log.warning("! the champion could not be loaded again, and the one before serves on: %s", reason)
                reported = reason
                continue
            marker, reported = champion.marker, ""
            self._count(champion)
            name = f"{champion.candidate.label} ({champion.candidate.bundle.digest[:12]}…)"
            log.info("serving %s of %s; %d newer observations were taken over", name, self.pipeline, count)

    def _count(self, champion: ServedChampion) -> None:
        self.metrics.reloads.labels("done").inc()
        self.metrics.model.clear()
        self.metrics.model.labels(champion.candidate.name, champion.candidate.version).set(1)

    def update_gauges(self) -> None:
        """Set the gauges that are read when the metrics are."""
        if self.queue is not None:
            states = self.queue.service.forecaster.states
            self.metrics.series.set(len(states.ids))
            self.metrics.state_bytes.set(states.size_bytes)
            self.metrics.waiting.set(self.queue.waiting.qsize())
