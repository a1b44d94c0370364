"""The deployments: each flow of each pipeline as <flow>/<pipeline>, the same for `up` and `deploy`."""

from datetime import timedelta
from importlib.metadata import version
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
from flows.backtest import backtest
from flows.forecast import forecast
from flows.monitor import monitor
from flows.nightly import nightly
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec
from flows.promote import promote
from flows.retrain import retrain
from flows.runs.events import DRIFT, pipeline_resource_id
from flows.settings import Settings
from tasks.engine.code_digest import code_digest

DEPLOYED_FLOWS: tuple[Flow[..., Any], ...] = (nightly, retrain, forecast, monitor, backfill, promote, backtest)
STORE_LABEL = "Store: "  # in a description, before the path
MAX_PAGE_SIZE = 200  # of Prefect's API
DESCRIPTIONS = {
    "nightly": "The whole night of **{name}**: new data, new models, forecasts, the morning page.",
    "retrain": "Train and evaluate new models of **{name}** and register them; publish nothing.",
    "forecast": "Forecast with the champion of **{name}** and publish; train nothing.",
    "monitor": "Score past forecasts of **{name}** and check its data for drift; train and publish nothing.",
    "promote": "Make a version of **{name}** the champion by hand, from the next night on; the reason is recorded.",
    "backtest": "Forecast **{name}** again at origins of the past, as known at each, and score it; change nothing.",
    "backfill": "Run missed nights of **{name}**, oldest first, each with the data known at its time.",
}


class Catalogue(NamedTuple):
    """All deployments and their pipelines, and for each broken pipeline the reason why it has none."""

    deployments: tuple[RunnerDeployment, ...]
    specs: tuple[PipelineSpec, ...]
    broken: dict[str, str]


def catalogue(folder: Path | None, **where: Any) -> Catalogue:
    """Build the deployments of every valid pipeline.

    Args:
        folder: pipelines in addition to the shipped ones; of two with the same name, the one in `folder` is used.
        where: work pool and job variables; empty if a runner serves the deployments.

    Returns:
        The deployments, their specs, and a message per pipeline that is broken.
    """
    deployments, specs, broken = list[RunnerDeployment](), dict[str, PipelineSpec](), dict[str, str]()
    for name in sorted(list_pipelines(folder)):
        try:
            spec = PipelineSpec.read(name, folder)
        except NightcastError as error:
            broken[name] = str(error)
            continue
        if spec.name in specs:
            broken[name] = f"another pipeline is already named {spec.name!r}. Give this one a different name."
            continue
        specs[spec.name] = spec
        deployments += [_deployment(flow, name, spec, where) for flow in DEPLOYED_FLOWS]
    return Catalogue(tuple(deployments), tuple(specs.values()), broken)


def registered(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """Return all deployments of the server by <flow>/<name>."""
    flows: dict[UUID, str] = {}
    while page := client.read_flows(limit=MAX_PAGE_SIZE, offset=len(flows)):
        flows |= {flow.id: flow.name for flow in page}
    deployments: list[DeploymentResponse] = []
    while more := client.read_deployments(limit=MAX_PAGE_SIZE, offset=len(deployments)):
        deployments += more
    return {f"{flows.get(deployment.flow_id)}/{deployment.name}": deployment for deployment in deployments}


def _deployment(flow: Flow[..., Any], name: str, spec: PipelineSpec, where: dict[str, Any]) -> RunnerDeployment:
    cron = Cron(spec.schedule.cron, timezone=spec.schedule.timezone) if flow is nightly else None
    return RunnerDeployment.from_flow(
        flow,
        name=spec.name,
        schedule=cron,
        parameters={"pipeline": name},
        description=_describe(flow.name, name, spec, where),
        tags=["nightcast", spec.name],
        version=f"{version('nightcast')}+{code_digest('flows.nightly')[:12]}",
        triggers=[_drift_trigger(spec)] if flow is retrain and spec.alerts.retrain != "never" else [],
        entrypoint_type=EntrypointType.MODULE_PATH,
        **where,
    )


def _describe(flow: str, file: str, spec: PipelineSpec, where: dict[str, Any]) -> str:
    """Return what a deployment does, when, and for which store; the environment of a worker decides the latter."""
    lines = [DESCRIPTIONS[flow].format(name=spec.name)]
    lines += [f"Schedule: `{spec.schedule.cron}` in {spec.schedule.timezone}."] if flow == nightly.name else []
    lines += [] if where else [f"{STORE_LABEL}`{store_label(Settings())}`"]
    return "  \n".join([*lines, f"Pipeline file: `{file}`"])


def store_label(settings: Settings) -> str:
    """Return the absolute path of the store, or its URL without a password."""
    return str(settings.local_root or settings.opened_store.display_root)


def served_store(deployment: DeploymentResponse) -> str | None:
    """Return the store that the runner of a deployment writes to; None if its workers decide that."""
    start = (deployment.description or "").find(STORE_LABEL)
    return deployment.description[start:].split("`")[1] if deployment.description and start >= 0 else None


def _drift_trigger(spec: PipelineSpec) -> DeploymentEventTrigger:
    """Return the trigger by which drift starts a retraining; the emitter of the event limits how often."""
    return DeploymentEventTrigger(
        name=f"nightcast: drift of {spec.name} starts retraining",
        expect={DRIFT},
        match=ResourceSpecification({"prefect.resource.id": pipeline_resource_id(spec.name)}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
        parameters={"dry_run": spec.alerts.retrain == "rehearse"},
    )
