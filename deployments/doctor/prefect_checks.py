"""What doctor sees of Prefect: server, pool, worker or runner, schedules, the runs they should have made, dead runs."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
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

from deployments.doctor.finding import MAX_CLOCK_SKEW, CheckContext, Finding, FindingState
from deployments.instance_lock import was_interrupted
from deployments.process_environment import home_beside_the_store, variable
from deployments.server.deployment_catalogue import registered
from flows.runs.run_order import FLOW_NAMES, owner_of
from tasks.storage.process_identity import has_exited

LATE = timedelta(minutes=15)
WITHIN = 10.0  # seconds for a server to answer
UP = "Start it: nightcast up, or on a server: prefect server start"


def check(look: CheckContext) -> Iterator[Finding]:
    url = variable("PREFECT_API_URL")
    if not url:
        if was_interrupted(home_beside_the_store()):
            yield Finding("prefect", "bad", "nightcast up ended without being told to", "Start it again: nightcast up")
            return
        told = "no server is known here (PREFECT_API_URL is unset, and no `nightcast up` runs on this store)"
        yield Finding("prefect", "watch", told, "nightcast up runs every night by its schedule; cron can, too.")
        return
    begun = time.time()
    try:
        answer = httpx.get(f"{url.rstrip('/')}/ready", timeout=WITHIN)
    except httpx.HTTPError as silent:
        yield Finding("server", "bad", f"{url} does not answer: {type(silent).__name__}", UP)
        return
    yield _server(url, answer, (begun + time.time()) / 2)
    with get_client(sync_client=True) as client:
        try:
            found = registered(client)
        except PrefectHTTPStatusError as refused:
            if refused.response.status_code not in (401, 403):
                raise
            step = "Set PREFECT_API_AUTH_STRING to the server's user:password."
            yield Finding("server", "bad", f"{url} refuses to answer without a password", step)
            return
        for spec in look.pipelines:
            yield from _scheduled(client, f"nightly/{spec.name}", found)
        yield from _pools(client, list(found.values()))
        yield from _runs(client)


def _server(url: str, answer: httpx.Response, now: float) -> Finding:
    if not answer.is_success:
        told = f"{url} answers {answer.status_code}: its database does not"
        return Finding("server", "bad", told, "Look at the server's log, and at the database that it names.")
    date = answer.headers.get("date")
    skew = abs(parsedate_to_datetime(date).timestamp() - now) if date else 0.0
    if skew > MAX_CLOCK_SKEW:
        told = f"the clock of {url} and this machine's are {timedelta(seconds=round(skew))} apart"
        return Finding("clock", "bad", told, "Set them by the same time server: nights are scheduled by the server's.")
    return Finding("server", "good", f"{url} answers, and its database too")


def _scheduled(client: SyncPrefectClient, name: str, found: dict[str, DeploymentResponse]) -> Iterator[Finding]:
    deployment = found.get(name)
    if not deployment:
        yield Finding("schedule", "bad", f"there is no deployment {name}", "nightcast deploy, or start nightcast up")
        return
    active = [one for one in deployment.schedules if one.active]
    if deployment.paused or not active:
        why = "is paused" if deployment.paused else "has no active schedule"
        step = f"Resume it in the UI; from here: prefect deployment schedule ls {name}"
        yield Finding("schedule", "bad", f"{name} {why}", step)
        return
    mine = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    now = datetime.now(UTC)
    coming = _read(client, [StateType.SCHEDULED], mine, FlowRunFilterExpectedStartTime(after_=now), 1)
    if coming:
        yield Finding("schedule", "good", f"{name} runs next at {coming[0].expected_start_time:%Y-%m-%d %H:%M} UTC")
    else:
        told = f"{name} has a schedule, but no run of it is in the server's database: its scheduler does not work"
        yield Finding("schedule", "bad", told, "See the server's log; SQLAlchemy 2.1 does this: use constraints.txt")
    waiting = _read(client, [StateType.SCHEDULED], mine, FlowRunFilterExpectedStartTime(before_=now - LATE), 20)
    if waiting:
        told = f"{len(waiting)} runs of {name} are late, since {waiting[0].expected_start_time:%Y-%m-%d %H:%M} UTC"
        yield Finding("worker", "bad", told, "Nobody takes them: start nightcast up, or the worker of its pool.")


def _pools(client: SyncPrefectClient, deployments: list[DeploymentResponse]) -> Iterator[Finding]:
    """Whether somebody polls for runs: a worker of the pool, or the runner of `nightcast up`."""
    for pool in sorted({one.work_pool_name for one in deployments if one.work_pool_name}):
        try:
            status = client.read_work_pool(pool).status
        except ObjectNotFound:
            yield Finding("pool", "bad", f"there is no work pool {pool}", "nightcast deploy makes it")
            continue
        state: FindingState = "good" if str(getattr(status, "value", status)) == "READY" else "bad"
        step = f"prefect worker start --pool {pool}"
        yield Finding("pool", state, f"work pool {pool} is {getattr(status, 'value', status)}", step)
    served = [one for one in deployments if not one.work_pool_name and one.schedules]
    silent = [one.name for one in served if str(getattr(one.status, "value", one.status)) != "READY"]
    if silent:
        told = f"nobody has asked for runs of {', '.join(sorted(set(silent)))} for a minute: the runner is gone"
        yield Finding("worker", "bad", told, "nightcast up starts it")
    elif served:
        yield Finding("worker", "good", "the runner asks for runs")


def _runs(client: SyncPrefectClient) -> Iterator[Finding]:
    """Runs that Prefect takes to be under way, and whose process is gone."""
    ours = FlowFilter(name=FlowFilterName(any_=[*FLOW_NAMES]))
    for run in _read(client, [StateType.RUNNING], None, None, 50, ours):
        owner = owner_of(run)
        if owner and has_exited(owner):
            told = f"{run.name} is Running, but its process {owner.pid} on {owner.host} is gone"
            yield Finding("run", "bad", told, "The next night marks it as crashed; backfill runs what it left.")


def _read(
    client: SyncPrefectClient,
    states: list[StateType],
    mine: DeploymentFilter | None,
    when: FlowRunFilterExpectedStartTime | None,
    limit: int,
    ours: FlowFilter | None = None,
) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=ours,
        deployment_filter=mine,
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)), expected_start_time=when
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=limit,
    )
