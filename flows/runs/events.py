"""What a finished run tells the world by Prefect's events, for automations: notices, and retraining after drift.

nightcast.night.finished     every night, with its verdict
nightcast.quarantine.high    more rows in quarantine than `alerts.quarantine`
nightcast.promotion.none     no new champion for `alerts.promotion` nights, and for each as many again
nightcast.drift.found        the data drifted, and did not within `alerts.cooldown` before
"""

import logging
from datetime import datetime
from typing import Any

import pandas as pd
from prefect.events import emit_event

from flows.pipeline.alerts import AlertSpec
from tasks.results.manifest import read_all
from tasks.results.run import RunResults
from tasks.results.steps import DriftResult, RegistrationResult
from tasks.storage.layout import decisions_dir, parse_vintage
from tasks.storage.store import Store

log = logging.getLogger("nightcast")

FINISHED = "nightcast.night.finished"
QUARANTINE = "nightcast.quarantine.high"
NO_PROMOTION = "nightcast.promotion.none"
DRIFT = "nightcast.drift.found"


EventPayloads = dict[str, dict[str, Any]]


def resource_of(pipeline: str) -> str:
    """How events and automations name a pipeline."""
    return f"nightcast.pipeline.{pipeline}"


def build_events(flow: str, story: RunResults, alerts: AlertSpec, store: Store) -> EventPayloads:
    """Name and payload of each event of a run; `told` in it is a sentence."""
    night, health = story.night, story.validated.health
    found: EventPayloads = {}
    if flow == "nightly":
        found[FINISHED] = {"told": f"the night as of {night.as_of:%Y-%m-%d %H:%M} UTC is done"}
    share = health.quarantined / health.read if health.read else 0.0
    if share > alerts.quarantine:
        rows = f"{health.quarantined:,} of {health.read:,} rows"
        found[QUARANTINE] = {"told": f"{rows} ({share:.1%}) are in quarantine; nightcast quarantine {night.pipeline}"}
    judged = isinstance(story.registered, RegistrationResult)
    nights = _nights_without_promotion(night.pipeline, night.as_of, store) if judged else 0
    if nights and nights % alerts.promotion == 0:
        found[NO_PROMOTION] = {"told": f"no new champion for {nights} nights"}
    drifted = isinstance(story.drifted, DriftResult) and story.drifted.drifted
    if drifted and not _drifted_lately(night.pipeline, night.as_of, alerts, store):
        found[DRIFT] = {"told": getattr(story.drifted, "summary", "")}
    return found


def emit_events(pipeline: str, found: EventPayloads) -> None:
    """Hand the events to Prefect; a night is not held up by who listens."""
    resource = {"prefect.resource.id": resource_of(pipeline), "prefect.resource.name": pipeline}
    try:
        for name, payload in found.items():
            emit_event(name, resource=resource, payload=payload)
    except Exception as trouble:  # noqa: BLE001 - as the docstring says
        log.warning("the events of this run could not be emitted: %s", trouble)


def _nights_without_promotion(pipeline: str, as_of: datetime, store: Store) -> int:
    """Decisions up to this night since the last one that moved the champion."""
    count = 0
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        moment = parse_vintage(uri)
        decision = store.read_json(uri) if moment and moment <= as_of else None
        if decision and decision.get("moved"):
            break
        count += decision is not None
    return count


def _drifted_lately(pipeline: str, as_of: datetime, alerts: AlertSpec, store: Store) -> bool:
    since = as_of - pd.Timedelta(alerts.cooldown).to_pytimedelta()
    return any(DRIFT in run.events and since < run.as_of < as_of for run in read_all(store, pipeline))
