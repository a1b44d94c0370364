"""Prefect events of a finished run. Automations turn them into notifications, and into a new training after drift.

nightcast.night.finished     every nightly run
nightcast.quarantine.high    the share of rows in quarantine is above `alerts.quarantine`
nightcast.promotion.none     no new champion for `alerts.promotion` nights, or a multiple of them
nightcast.drift.found        the data drifted, and had not drifted within `alerts.cooldown` before
"""

import logging
from datetime import datetime
from typing import Any

from prefect.context import FlowRunContext
from prefect.events import emit_event

from flows.pipeline.alerts import AlertSpec
from models.data.windows import parse_duration
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


def pipeline_resource_id(pipeline: str) -> str:
    """Return the id of a pipeline in events and automations."""
    return f"nightcast.pipeline.{pipeline}"


def build_events(flow: str, results: RunResults, alerts: AlertSpec, store: Store) -> EventPayloads:
    """Return name and payload of each event of a run; the key `told` of a payload is a sentence."""
    night, health = results.night, results.validated.health
    payloads: EventPayloads = {}
    if flow == "nightly":
        payloads[FINISHED] = {"told": f"the night as of {night.as_of:%Y-%m-%d %H:%M} UTC is done"}
    share = health.quarantined / health.read if health.read else 0.0
    if share > alerts.quarantine:
        rows = f"{health.quarantined:,} of {health.read:,} rows"
        payloads[QUARANTINE] = {
            "told": f"{rows} ({share:.1%}) are in quarantine; nightcast quarantine {night.pipeline}"
        }
    has_decision = isinstance(results.registered, RegistrationResult)
    nights = _nights_without_promotion(night.pipeline, night.as_of, store) if has_decision else 0
    if nights and nights % alerts.promotion == 0:
        payloads[NO_PROMOTION] = {"told": f"no new champion for {nights} nights"}
    drifted = isinstance(results.drifted, DriftResult) and results.drifted.drifted
    if drifted and not _drifted_recently(night.pipeline, night.as_of, alerts, store):
        payloads[DRIFT] = {"told": getattr(results.drifted, "summary", "")}
    return payloads


def emit_events(pipeline: str, payloads: EventPayloads) -> None:
    """Emit the events of a flow run. An error is logged, since no listener may stop a night."""
    if FlowRunContext.get() is None:  # without a server nobody listens
        return
    resource = {"prefect.resource.id": pipeline_resource_id(pipeline), "prefect.resource.name": pipeline}
    try:
        for name, payload in payloads.items():
            emit_event(name, resource=resource, payload=payload)
    except Exception as error:  # noqa: BLE001 - see the docstring
        log.warning("the events of this run could not be emitted: %s", error)


def _nights_without_promotion(pipeline: str, as_of: datetime, store: Store) -> int:
    """Count the decisions up to this night since the last new champion."""
    count = 0
    for uri in reversed(store.list_files(decisions_dir(pipeline))):
        moment = parse_vintage(uri)
        decision = store.read_json(uri) if moment and moment <= as_of else None
        if decision and decision.get("moved"):
            break
        count += decision is not None
    return count


def _drifted_recently(pipeline: str, as_of: datetime, alerts: AlertSpec, store: Store) -> bool:
    since = as_of - parse_duration(alerts.cooldown).to_pytimedelta()
    return any(DRIFT in run.events and since < run.as_of < as_of for run in read_all(store, pipeline))
