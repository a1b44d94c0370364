"""What is deployed: each flow of each pipeline as <flow>/<pipeline>; the one truth of `up` and `deploy`."""

from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.events.schemas.events import ResourceSpecification
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from data_contracts.errors import NightcastError
from flows.backfill import backfill
from flows.forecast import forecast
from flows.monitor import monitor
from flows.nightly import nightly
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec
from flows.retrain import retrain
from flows.runs.events import DRIFT, resource_of
from tasks.engine.code_digest import code_digest

FLOWS: tuple[Flow[..., Any], ...] = (nightly, retrain, forecast, monitor, backfill)
PAGE = 200  # the most that Prefect gives at once
WHAT = {
    "nightly": "The whole night of **{name}**: new data, new models, forecasts, the morning page.",
    "retrain": "Train and judge new models of **{name}**, and register them; publish nothing.",
    "forecast": "Publish what the champion of **{name}** forecasts; train nothing.",
    "monitor": "Score past forecasts of **{name}** and watch its data for drift; change nothing.",
    "backfill": "Run the nights of **{name}** that were missed, oldest first, each with what was known then.",
}


class Catalogue(NamedTuple):
    """Every deployment there should be, and why a pipeline has none."""

    deployments: tuple[RunnerDeployment, ...]
    specs: tuple[PipelineSpec, ...]
    broken: dict[str, str]


def catalogue(folder: Path | None, **where: Any) -> Catalogue:
    """Deployments of every pipeline that can be read; `where` is the work pool, if not a runner serves them."""
    deployments, specs, broken = list[RunnerDeployment](), dict[str, PipelineSpec](), dict[str, str]()
    for name in sorted(list_pipelines(folder)):
        try:
            spec = PipelineSpec.read(name, folder)
        except NightcastError as error:
            broken[name] = str(error)
            continue
        if spec.name in specs:
            broken[name] = f"another pipeline is named {spec.name!r} too; give this one a name of its own."
            continue
        specs[spec.name] = spec
        deployments += [_deployment(flow, name, spec, where) for flow in FLOWS]
    return Catalogue(tuple(deployments), tuple(specs.values()), broken)


def registered(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """Every deployment that the server knows, as <flow>/<name>; it gives them by the page."""
    flows: dict[UUID, str] = {}
    while page := client.read_flows(limit=PAGE, offset=len(flows)):
        flows |= {flow.id: flow.name for flow in page}
    found: list[DeploymentResponse] = []
    while more := client.read_deployments(limit=PAGE, offset=len(found)):
        found += more
    return {f"{flows.get(one.flow_id)}/{one.name}": one for one in found}


def _deployment(flow: Flow[..., Any], name: str, spec: PipelineSpec, where: dict[str, Any]) -> RunnerDeployment:
    cron = Cron(spec.schedule.cron, timezone=spec.schedule.timezone) if flow is nightly else None
    return RunnerDeployment.from_flow(
        flow,
        name=spec.name,
        schedule=cron,
        parameters={"pipeline": name},
        description=WHAT[flow.name].format(name=spec.name),
        tags=["nightcast", spec.name],
        version=code_digest()[:12],
        triggers=[_drift(spec)] if flow is retrain and spec.alerts.retrain != "never" else [],
        entrypoint_type=EntrypointType.MODULE_PATH,
        **where,
    )


def _drift(spec: PipelineSpec) -> DeploymentEventTrigger:
    """Drift starts a retraining; how often is decided where the event is emitted."""
    return DeploymentEventTrigger(
        name=f"nightcast: drift of {spec.name} starts retraining",
        expect={DRIFT},
        match=ResourceSpecification({"prefect.resource.id": resource_of(spec.name)}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
        parameters={"dry_run": spec.alerts.retrain == "rehearse"},
    )
