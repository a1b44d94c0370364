"""Health checks of Prefect: server, work pools, workers, schedules, late runs and dead runs."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import prefect
from packaging.version import Version
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.doctor.finding import CheckContext, Finding, FindingState
from deployments.server.deployment_catalogue import registered, served_store, store_label
from flows.runs.run_order import FLOW_NAMES, read_owner
from tasks.storage.process_identity import has_exited

LATE_AFTER = timedelta(minutes=15)
MIN_SERVER_VERSION = Version("3.8.7")  # before it, the server revoked leases of live runs (Prefect #22935)
MAX_LATE_RUNS, MAX_RUNNING_RUNS = 20, 50  # runs that are read from the server


def check(context: CheckContext, url: str) -> Iterator[Finding]:
    """Check everything registered on the Prefect server at `url`, which is PREFECT_API_URL and answers."""
    with get_client(sync_client=True) as client:
        try:
            deployments = registered(client)
        except PrefectHTTPStatusError as error:
            if error.response.status_code not in (401, 403):
                raise
            step = "Set PREFECT_API_AUTH_STRING to the server's user:password."
            yield Finding("server", "bad", f"{url} does not answer without a password", step)
            return
        yield _check_version(client)
        for spec in context.pipelines:
            yield from _check_schedule(client, f"nightly/{spec.name}", deployments)
            yield from _check_store(context, deployments.get(f"nightly/{spec.name}"))
        yield from _check_workers(client, list(deployments.values()))
        yield from _check_running(client)


def _check_version(client: SyncPrefectClient) -> Finding:
    """Compare the server's version with the one of this process, and with the oldest that is supported."""
    served, installed = client.api_version(), prefect.__version__
    if Version(served) < MIN_SERVER_VERSION:
        message = f"the server is Prefect {served}, which may take a concurrency slot from a run that still holds it"
        return Finding("version", "bad", message, f"Upgrade it to {installed}: pip install prefect=={installed}")
    if served != installed:
        message = f"the server is Prefect {served}, and this machine has {installed}"
        return Finding("version", "watch", message, "Install the same version on both, the one in constraints.txt.")
    return Finding("version", "good", f"Prefect {served} on the server and on this machine")


def _check_schedule(
    client: SyncPrefectClient, name: str, deployments: dict[str, DeploymentResponse]
) -> Iterator[Finding]:
    deployment = deployments.get(name)
    if not deployment:
        yield Finding("schedule", "bad", f"deployment {name} does not exist", "Run nightcast deploy or nightcast up.")
        return
    active = [schedule for schedule in deployment.schedules if schedule.active]
    if deployment.paused or not active:
        problem = "is paused" if deployment.paused else "has no active schedule"
        step = f"Resume it in the UI, or find it with: prefect deployment schedule ls {name}"
        yield Finding("schedule", "watch", f"{name} {problem}", step)  # someone did that on purpose
        return
    of_deployment = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    now = datetime.now(UTC)
    after_now = FlowRunFilterExpectedStartTime(after_=now)
    upcoming = _read_runs(client, StateType.SCHEDULED, limit=1, deployment=of_deployment, start=after_now)
    if upcoming:
        yield Finding("schedule", "good", f"{name} runs next at {upcoming[0].expected_start_time:%Y-%m-%d %H:%M} UTC")
    else:
        message = f"{name} has a schedule, but the server's database has no run of it: its scheduler does not work"
        step = "Check the server's log. SQLAlchemy 2.1 is a known cause: install with constraints.txt."
        yield Finding("schedule", "bad", message, step)
    before = FlowRunFilterExpectedStartTime(before_=now - LATE_AFTER)
    late = _read_runs(client, StateType.SCHEDULED, limit=MAX_LATE_RUNS, deployment=of_deployment, start=before)
    if late:
        message = f"{len(late)} runs of {name} are late, since {late[0].expected_start_time:%Y-%m-%d %H:%M} UTC"
        step = "No worker takes them: start nightcast up, or a worker of the work pool."
        yield Finding("worker", "bad", message, step)


def _check_store(context: CheckContext, deployment: DeploymentResponse | None) -> Iterator[Finding]:
    """Report a deployment whose runner writes to another store: its nights are not those of this store."""
    served, here = served_store(deployment) if deployment else None, store_label(context.settings)
    if deployment and served and served != here:
        message = f"nightly/{deployment.name} is served for the store {served}, and this is the store {here}"
        step = f"Stop that nightcast up, or start one for this store: NIGHTCAST_STORE={here} nightcast up --port 4201"
        yield Finding("schedule", "bad", message, f"{step} --mlflow-port 5001")


def _check_workers(client: SyncPrefectClient, deployments: list[DeploymentResponse]) -> Iterator[Finding]:
    """Check that a worker of each pool, or the runner of `nightcast up`, polls for runs."""
    for pool in sorted({deployment.work_pool_name for deployment in deployments if deployment.work_pool_name}):
        try:
            status = _status_text(client.read_work_pool(pool).status)
        except ObjectNotFound:
            yield Finding("pool", "bad", f"work pool {pool} does not exist", "nightcast deploy creates it")
            continue
        state: FindingState = "good" if status == "READY" else "bad"
        yield Finding("pool", state, f"work pool {pool} is {status}", f"prefect worker start --pool {pool}")
    served = [deployment for deployment in deployments if not deployment.work_pool_name and deployment.schedules]
    silent = {deployment.name for deployment in served if _status_text(deployment.status) != "READY"}
    if silent:
        message = f"no runner has polled for runs of {', '.join(sorted(silent))} for a minute"
        yield Finding("worker", "bad", message, "Start the runner: nightcast up")
    elif served:
        yield Finding("worker", "good", "the runner polls for runs")


def _status_text(status: object) -> str:
    return str(getattr(status, "value", status))


def _check_running(client: SyncPrefectClient) -> Iterator[Finding]:
    """Report runs that are Running for Prefect, but whose process has exited."""
    for run in _read_runs(client, StateType.RUNNING, limit=MAX_RUNNING_RUNS, flows=FLOW_NAMES):
        owner = read_owner(run)
        if owner and has_exited(owner):
            message = f"{run.name} is Running, but its process {owner.pid} on {owner.host} has exited"
            step = "The next night marks it as crashed; nightcast backfill runs the night that is missing."
            yield Finding("run", "bad", message, step)


def _read_runs(
    client: SyncPrefectClient,
    state: StateType,
    *,
    limit: int,
    deployment: DeploymentFilter | None = None,
    start: FlowRunFilterExpectedStartTime | None = None,
    flows: Sequence[str] = (),
) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(flows))) if flows else None,
        deployment_filter=deployment,
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])), expected_start_time=start
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=limit,
    )
