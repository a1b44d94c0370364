"""Load what the service needs from the store: the champion, the states of its series, and how forecasts are limited.

Nothing here asks MLflow or Prefect: decisions, manifests and bundles are in the store.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.contract import Contract
from data_contracts.errors import NightcastError, NoChampion, StoreDamaged
from models.bundle import Bundle
from models.data.closed_times import ClosedSetting
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.data.windows import forecast_windows
from models.engines import Engine, OnnxEngine, TorchEngine
from models.golden import check_golden_forecast
from models.predict import Predictor
from models.recalibration import Recalibration
from models.rolling_origins import RollingOrigins
from models.streaming.build import build_states
from models.streaming.forecaster import StreamingForecaster
from models.streaming.states import SeriesStates, StatesDamaged
from models.streaming.timeline import Timeline
from tasks.history.reader import PublishedReader
from tasks.modeling.candidate import Candidate
from tasks.registry.champions import champion_at
from tasks.results.manifest import read_factors, read_finished
from tasks.storage.contract_history import contract_before
from tasks.storage.layout import decisions_dir, latest_errors_uri, latest_uri
from tasks.storage.store import Store

EngineName = Literal["torch", "onnx"]


class ServeOptions(NamedTuple):
    """How the champion is served: the engine, and whether forecasts go on from the states of its encoder."""

    engine: EngineName = "torch"
    carried: bool = False


class ServedChampion(NamedTuple):
    """A champion with everything that a request needs."""

    pipeline: str
    candidate: Candidate
    bundle: Bundle
    forecaster: StreamingForecaster
    limits: tuple[float | None, float | None]
    closed: ClosedSetting
    columns: dict[str, str]  # of the source, by the names that requests use: unique_id, ds, y
    contract: Contract | None
    errors: np.ndarray | None  # (units, H) scaled errors of earlier forecasts, NaN where nothing was observed
    season: int
    marker: str

    @property
    def identity(self) -> dict[str, str]:
        """Name, version and digest, which every answer carries."""
        return {
            "name": self.candidate.name,
            "version": self.candidate.version,
            "digest": self.candidate.bundle.digest,
        }


def champion_marker(pipeline: str, store: Store) -> str:
    """Return a text that changes when a decision or the latest forecast does. Only the forecast is read, no history."""
    decisions = store.list_files(decisions_dir(pipeline))
    newest = json.dumps(store.read_json(decisions[-1])) if decisions else ""
    latest = [store.artifact_at(uri).digest for uri in store.list_files(latest_uri(pipeline))]
    return hashlib.sha256("\n".join([*decisions, newest, *latest]).encode()).hexdigest()


def load_champion(pipeline: str, store: Store, options: ServeOptions) -> ServedChampion:
    """Load the champion of a pipeline and the states of its series.

    Args:
        pipeline: Name of the pipeline in the store.
        store: The store.
        options: Engine, and which state forecasts go on from.

    Returns:
        The champion, after its digest was checked and its golden forecast replayed by the engine that serves it.

    Raises:
        NoChampion: No night has promoted a model.
        NotPublished: No night has published a forecast, so no series is known.
        NightcastError: The bundle is damaged or cannot be exported for this engine.
    """
    marker = champion_marker(pipeline, store)
    candidate = champion_at(pipeline, datetime.now(UTC), store)
    if candidate is None:
        raise NoChampion(pipeline, f"no night has promoted a model in the store {store.display_root!r}")
    bundle = Bundle.from_bytes(store.get_bytes(candidate.bundle))
    engine = _build_engine(bundle, options.engine)
    check_golden_forecast(bundle, engine)
    manifests = read_finished(store, pipeline)
    night = _night_of_latest(pipeline, manifests, store)
    spec = (night or (manifests[0] if manifests else {})).get("spec") or {}
    forecast, cleaning = spec.get("forecast") or {}, spec.get("cleaning") or {}
    closed = cleaning.get("closed", "auto")
    closed = tuple(closed) if isinstance(closed, list) else closed
    predictor = Predictor(bundle, engine)
    kept = _load_states(predictor, candidate, night, store)
    states, timeline, fitted = (*kept, None) if kept else _rebuild_states(pipeline, predictor, closed, store)
    factors = read_factors(night, candidate, store)
    recalibration = factors[0].of(states.ids, factors[1]) if factors else fitted
    return ServedChampion(
        pipeline=pipeline,
        candidate=candidate,
        bundle=bundle,
        forecaster=StreamingForecaster(predictor, states, timeline, options.carried, recalibration),
        limits=(forecast.get("minimum"), forecast.get("maximum")),
        closed=closed,
        columns={name: str(column) for name, column in (spec.get("columns") or {}).items()},
        contract=contract_before(pipeline, datetime.now(UTC), store),
        errors=_load_errors(pipeline, candidate, bundle.horizon, store),
        season=(spec.get("evaluation") or {}).get("season") or bundle.view.season,
        marker=marker,
    )


def _build_engine(bundle: Bundle, engine: EngineName) -> Engine:
    if bundle.kind != "recurrent":
        raise NightcastError(f"the champion {bundle.name!r} is not a network: it cannot be served in real time.")
    return OnnxEngine(bundle) if engine == "onnx" else TorchEngine(bundle)


def _night_of_latest(pipeline: str, manifests: list[dict[str, Any]], store: Store) -> dict[str, Any] | None:
    """Return the manifest of the night whose forecast is the latest; None until that night has written it.

    The run that ended last is another one after a backfill, and while a night has published and not yet ended.
    """
    latest = {store.artifact_at(uri).digest for uri in store.list_files(latest_uri(pipeline))}
    for manifest in manifests:
        forecasted = manifest["story"].get("forecasted") or {}
        if (forecasted.get("table") or {}).get("digest") in latest:
            return manifest
    return None


def _load_states(
    predictor: Predictor, candidate: Candidate, night: dict[str, Any] | None, store: Store
) -> tuple[SeriesStates, Timeline] | None:
    """Read the states that a night has kept; None if it has none for this model, or they are damaged."""
    kept = night["story"].get("kept") if night else None
    if not kept or not kept.get("states") or kept.get("model") != candidate.bundle.digest:
        return None
    try:
        data = store.get_bytes(Artifact.model_validate(kept["states"]))
        states, timeline, _ = SeriesStates.from_bytes(data, predictor.bundle.view)
    except (StoreDamaged, StatesDamaged):
        return None
    return states, timeline


def _load_errors(pipeline: str, candidate: Candidate, horizon: int, store: Store) -> np.ndarray | None:
    """Read the errors that the newest night has published of the champion; None if they are of another model."""
    uris = store.list_files(latest_errors_uri(pipeline))
    try:
        table = store.get(store.table_at(uris[0], "errors")) if uris else pd.DataFrame()
    except StoreDamaged:
        return None
    if table.empty or (table["model_name"].iloc[0], table["model_version"].iloc[0]) != (
        candidate.name,
        candidate.version,
    ):
        return None
    by_step = [part["scaled_error"].to_numpy(float) for _, part in table.groupby("step")]
    errors = np.full((max(map(len, by_step)), horizon), np.nan)
    for step, values in zip(np.unique(table["step"]), by_step, strict=True):
        if step <= horizon:
            errors[: len(values), step - 1] = values
    return errors


def _rebuild_states(
    pipeline: str, predictor: Predictor, closed: ClosedSetting, store: Store
) -> tuple[SeriesStates, Timeline, Recalibration]:
    """Build the states from the history of the newest published forecast, as its night did.

    Returns:
        The states, the timeline of their steps, and the recalibration of their forecasts.

    Raises:
        NotPublished: No forecast is published.
        NightcastError: A night has published its forecast, and not yet its history.
    """
    reader = PublishedReader(pipeline=pipeline, store=store)
    clean = PanelTable.from_frame(reader.history().to_pandas())
    cutoff = clean.newest_known()
    published = reader.forecasts().to_pandas()["cutoff"].max()
    if cutoff < published:
        raise NightcastError(
            f"the history of {pipeline!r} ends at {cutoff:%Y-%m-%dT%H:%M:%SZ}, and its newest forecast begins after "
            f"{published:%Y-%m-%dT%H:%M:%SZ}: a night is publishing. Try again in a minute."
        )
    states, timeline = build_states(predictor, clean, cutoff, closed)
    panel = Panel.from_table(clean, predictor.bundle.view)
    series, position = forecast_windows(panel, int(panel.grid.get_loc(cutoff)))
    ((_, fitted),) = RollingOrigins(predictor, panel).recalibrate(series, position)
    return states, timeline, fitted.of(states.ids, [panel.ids[code] for code in series])
