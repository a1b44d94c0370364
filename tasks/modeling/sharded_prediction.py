"""Forecast windows on the workers of a cluster: each takes a share of them, and reads the series of its share.

windows    [ a a │ a b b │ b c c ]       whole batches, so that no number depends on the workers
             └─ this process, which measures the time
worker 1   a, b  ──> forecasts ──> the store ──┐
worker 2   b, c  ──> forecasts ──> the store ──┴──> forecasts of all windows
"""

import contextlib
import io
import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.panel import Panel
from models.predict import BATCH_SIZE, CalibratedForecast, Predictor
from tasks.engine.execution import Executor, SubmittedCall, connected_executor, has_cluster
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.clean_table import load_clean_series
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

MIN_SHARE_S = 15.0  # that a share takes at least: a worker needs about five to start
TIMED_BATCHES = 2  # that this process forecasts first, to know how long the others take


def make_restorer(clean: Artifact, times: pd.DatetimeIndex, store: Store) -> Callable[[Candidate, Bundle], Predictor]:
    """Make the function that restores models for many windows: on the cluster of the run, if it has one.

    Args:
        clean: The clean table, of whose series the panels are.
        times: Every time of the table that the panels are built from (UTC).
        store: The store that holds the table and the bundles, which workers must reach.

    Returns:
        A function of a model and its bundle. The forecasts of a network do not depend on where they are computed.
    """

    def restore(candidate: Candidate, bundle: Bundle) -> Predictor:
        if bundle.kind != "recurrent" or not has_cluster():
            return Predictor(bundle)
        return ShardedPredictor(candidate, bundle, clean, times, store)

    return restore


class ShardedPredictor(Predictor):
    """A network that forecasts many windows on several workers, and few in this process."""

    def __init__(
        self, candidate: Candidate, bundle: Bundle, clean: Artifact, times: pd.DatetimeIndex, store: Store
    ) -> None:
        super().__init__(bundle)
        self.candidate, self.clean, self.times, self.store = candidate, clean, times, store

    def forecast(self, panel: Panel, series: np.ndarray, position: np.ndarray) -> CalibratedForecast:
        """Forecast as `Predictor.forecast` does. A share that no worker can forecast is forecast in this process."""
        forecasts = list[CalibratedForecast]()
        begin, seconds = 0, 0.0
        for _ in range(TIMED_BATCHES):  # the first one loads libraries, the last one counts
            started, part = time.perf_counter(), slice(begin, begin + BATCH_SIZE)
            forecasts.append(super().forecast(panel, series[part], position[part]))
            begin, seconds = begin + BATCH_SIZE, time.perf_counter() - started
        batches = np.arange(begin, len(series), BATCH_SIZE)
        count = min(len(batches), int(len(batches) * seconds / MIN_SHARE_S))
        with contextlib.ExitStack() as calls:
            executor = calls.enter_context(connected_executor()) if count > 1 else None
            count = min(count, executor.workers) if executor else 1
            parts = _divide(batches, max(count, 1), len(series))
            begun = list[SubmittedCall | None]()
            if executor and count > 1:
                begun += [self._submit(executor, panel, series[part], position[part]) for part in parts]
            for accepted in filter(None, begun):
                calls.callback(accepted.stop)
            for part, call in itertools.zip_longest(parts, begun):
                forecasts.append(self._receive(call, panel, series[part], position[part]))
        return CalibratedForecast.join(forecasts)

    def _receive(
        self, call: SubmittedCall | None, panel: Panel, series: np.ndarray, position: np.ndarray
    ) -> CalibratedForecast:
        """Return the forecasts of a share: of its worker, or of this process without one."""
        if call:
            try:
                result = Artifact.model_validate(call.wait())
                with np.load(io.BytesIO(self.store.get_bytes(result))) as share:
                    return CalibratedForecast(share["quantiles"], share.get("differences"))
            except (NightcastError, ConnectionError) as error:  # of the worker: this process may not have it
                log.warning(f"! {error}; this process forecasts {len(series):,} windows itself")
        return super().forecast(panel, series, position)

    def _submit(
        self, executor: Executor, panel: Panel, series: np.ndarray, position: np.ndarray
    ) -> SubmittedCall | None:
        """Begin to forecast windows on a worker; None if the cluster takes no call any more."""
        codes, row = np.unique(series, return_inverse=True)
        names = np.array([panel.ids[code] for code in codes.tolist()], dtype=np.str_)
        rows, times = int(panel.lengths[codes].sum()), self.times.as_unit("us").asi8
        windows = io.BytesIO()
        np.savez(windows, names=names, series=row, position=position, times=times, rows=rows)
        inputs: dict[str, Any] = {
            "clean": self.clean,
            "candidate": self.candidate,
            "windows": self.store.put_bytes(windows.getvalue(), "windows-share", "npz"),
            "store": self.store,
        }
        values = TypeAdapter(dict[str, Any]).dump_python(inputs, mode="json")
        try:
            return executor.submit(__name__, predict_share.__name__, values)
        except Exception as error:  # noqa: BLE001 - each engine has errors of its own, and the night goes on here
            log.warning(f"! the cluster takes no call ({error}); this process forecasts {len(series):,} windows itself")
            return None


def _divide(batches: np.ndarray, count: int, end: int) -> list[slice]:
    """Divide the windows of batches, which begin at these (b,) and end at `end`, into shares of whole batches."""
    shares = np.array_split(batches, count) if len(batches) else []
    return [slice(int(share[0]), min(int(share[-1]) + BATCH_SIZE, end)) for share in shares]


def predict_share(clean: Artifact, candidate: Candidate, windows: Artifact, store: Store) -> Artifact:
    """Forecast a share of the windows, in a process of a worker.

    Args:
        clean: The clean table.
        candidate: The network.
        windows: The file that `ShardedPredictor` has stored.
        store: The store, which takes the quantiles.

    Returns:
        A file of numpy with `quantiles` (n, H, Q) and, if simple forecasts are blended in, `differences` (3, n, H).

    Raises:
        StoreDamaged: A file is missing or its digest differs.
    """
    bundle = load_bundle(candidate, store)
    with np.load(io.BytesIO(store.get_bytes(windows))) as share:
        times = pd.DatetimeIndex(share["times"].view("datetime64[us]")).tz_localize("UTC")
        table = load_clean_series(clean, share["names"].tolist(), int(share["rows"]), store).with_times(times)
        series, position = share["series"].astype(np.int32), share["position"].astype(np.int32)
    forecast, result = Predictor(bundle).forecast(Panel.from_table(table, bundle.view), series, position), io.BytesIO()
    np.savez(result, **{name: values for name, values in forecast._asdict().items() if values is not None})
    return store.put_bytes(result.getvalue(), "forecasts-share", "npz")
