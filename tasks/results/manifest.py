"""The manifest of a run, as commands and later runs read it back from runs/pipeline=<name>/<run>.json.

A run that ended well leaves its outcome, its results and its leaderboard; a run that failed leaves its error. Both are
read by one model. Keys that it does not know are ignored, so that manifests of other versions can be read.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import AliasChoices, AliasPath, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from data_contracts.artifact import Artifact
from data_contracts.errors import StoreDamaged
from models.recalibration import Recalibration
from tasks.modeling.candidate import Candidate
from tasks.modeling.golden_replay import GoldenReplay
from tasks.results.revision import ForecastNight, forecast_night
from tasks.results.steps import ForecastResult, ValidatedTable
from tasks.storage.layout import manifest_uri, runs_dir
from tasks.storage.store import Store
from tasks.storage.vintages import Published

QUARANTINE_KEYS = AliasChoices(AliasPath("story", "validated", "quarantine", "uri"), "quarantine")


class StepTime(BaseModel):
    """One step of a run: whether it ran, was cached or failed, and its wall-clock time in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: str
    outcome: str
    seconds: float


class RunManifest(BaseModel):
    """One run of one flow. Fields that a failed run does not have are None or empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    as_of: AwareDatetime
    as_of_text: str = Field(validation_alias=AliasPath("as_of"))  # as it is stored: `--json` prints it so
    pipeline: str = ""
    flow: str = ""
    run_id: str = ""
    outcome: str = ""
    started: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    cutoff: str | None = None
    verdict: str | None = None
    lines: tuple[str, ...] = ()
    champion: str | None = None
    published: str | None = None
    page: str | None = None
    manifest: str = ""
    events: tuple[str, ...] = ()
    reason: str = ""
    headline: str = ""
    notices: tuple[str, ...] = ()
    without_forecast: tuple[dict[str, Any], ...] = ()
    leaderboard: tuple[dict[str, Any], ...] | None = None
    metric: str = Field("", validation_alias=AliasPath("spec", "evaluation", "metric"))
    decision: str | None = Field(None, validation_alias=AliasPath("story", "registered", "reason"))
    row_counts: dict[str, Any] = Field({}, validation_alias=AliasPath("story", "validated", "health"))
    anomalies: int | None = Field(None, validation_alias=AliasPath("story", "anomalies", "count"))
    quarantine: str | None = Field(None, validation_alias=QUARANTINE_KEYS)
    steps: tuple[StepTime, ...] = ()
    replayed: GoldenReplay | None = None

    @property
    def ended(self) -> float:
        """When the run ended, or began if it failed, as a Unix timestamp."""
        moment = self.finished or self.started
        return moment.timestamp() if moment else 0.0


def read_all(store: Store, pipeline: str) -> tuple[RunManifest, ...]:
    """Read every manifest of a pipeline, sorted by as-of, then by end. Torn manifests are left out."""
    manifests = []
    for uri in store.list_files(runs_dir(pipeline)):
        record = store.read_json(uri)
        try:
            manifests += [RunManifest.model_validate(record)] if record else []
        except ValidationError:
            continue
    return tuple(sorted(manifests, key=lambda manifest: (manifest.as_of, manifest.ended)))


def newest(manifests: Iterable[RunManifest]) -> RunManifest | None:
    """Return the manifest of the run that ended last; None without manifests."""
    return max(manifests, key=lambda manifest: manifest.ended, default=None)


def read_finished(store: Store, pipeline: str) -> list[dict[str, Any]]:
    """Return the manifests of runs that ended with results, as they are stored, the newest first."""
    records = [store.read_json(uri) for uri in store.list_files(runs_dir(pipeline))]
    finished = [record for record in records if record and record.get("story")]
    return sorted(finished, key=lambda record: str(record.get("finished")), reverse=True)


def read_newest_night(past: Sequence[Published], pipeline: str, store: Store) -> dict[str, Any]:
    """Read the results of the night of the newest published vintage, as they are stored.

    Args:
        past: Published vintages, oldest first.
        pipeline: The pipeline.
        store: The store of its manifests.

    Returns:
        Results by step; empty without a vintage, or if its manifest is gone.
    """
    try:
        run_ids = store.get(past[-1].file, ["run_id"])["run_id"] if past else []
    except StoreDamaged:
        return {}
    record = store.read_json(manifest_uri(pipeline, str(run_ids[0]))) if len(run_ids) else None
    return (record or {}).get("story") or {}


def read_forecast_night(past: Sequence[Published], pipeline: str, store: Store) -> ForecastNight | None:
    """Read what the night of the newest published vintage has forecast, and from what.

    Args:
        past: Published vintages, oldest first.
        pipeline: The pipeline.
        store: The store of its manifests.

    Returns:
        Its tables, cutoff and model; None without a vintage, or if its manifest or its clean table is gone.
    """
    results = read_newest_night(past, pipeline, store)
    try:
        forecasted = ForecastResult.model_validate(results["forecasted"])
        night = forecast_night(forecasted, ValidatedTable.model_validate(results["validated"]))
    except (KeyError, TypeError, ValidationError):
        return None
    return night if store.contains(night.clean) else None


def read_factors(
    night: dict[str, Any] | None, candidate: Candidate, store: Store
) -> tuple[Recalibration, tuple[str, ...]] | None:
    """Read the recalibration with which a night has forecast, and the series that it belongs to.

    Args:
        night: The manifest of a night, as it is stored.
        candidate: The model that will forecast; the factors of another model are not used.
        store: The store of the manifest.

    Returns:
        The factors; None if the night used another model, or they cannot be read.
    """
    forecasted = ((night or {}).get("story") or {}).get("forecasted") or {}
    model = ((forecasted.get("rung") or {}).get("candidate") or {}).get("bundle") or {}
    if not forecasted.get("recalibration") or model.get("digest") != candidate.bundle.digest:
        return None
    try:
        return load_recalibration(Artifact.model_validate(forecasted["recalibration"]), store)
    except ValidationError:
        return None


def load_recalibration(stored: Artifact | None, store: Store) -> tuple[Recalibration, tuple[str, ...]] | None:
    """Load the factors of a night and the series that they belong to; None if there are none that can be read."""
    try:
        return Recalibration.from_json(json.loads(store.get_bytes(stored))) if stored else None
    except (StoreDamaged, KeyError, ValueError):
        return None
