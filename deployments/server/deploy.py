"""`nightcast deploy`: registers every pipeline on the Prefect server of PREFECT_API_URL, for the workers of a pool."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from data_contracts.errors import NightcastError, SpecError, redact
from deployments.instance_lock import running_instance
from deployments.process_environment import home_beside_the_store, variable
from deployments.server.automations import automations, register
from deployments.server.deployment_catalogue import catalogue, registered
from deployments.server.notifications import NAME, block_to_notify
from flows.settings import Settings


class ServerUnreachable(NightcastError):
    """There is no Prefect server to deploy to."""


class WorkPool(NamedTuple):
    """Whose workers run the nights; job variables are those of its kind."""

    name: str
    kind: str
    job_variables: dict[str, Any]


def deploy(pool: WorkPool) -> tuple[dict[str, Any], str]:
    """(facts, the same as text). The same again changes nothing; what a person paused stays paused."""
    if not variable("PREFECT_API_URL"):
        raise SpecError("PREFECT_API_URL does not say which Prefect server; on one machine nightcast up needs none.")
    here = running_instance(home_beside_the_store())
    if here and variable("PREFECT_API_URL").startswith(here["prefect"]):
        raise SpecError(f"{here['prefect']} is of nightcast up, which serves every pipeline itself: start that anew.")
    variables = _variables(pool)
    found = catalogue(Settings().pipelines, work_pool_name=pool.name, job_variables=variables)
    with get_client(sync_client=True) as client:
        _reach(client)
        made_pool = _ensure_pool(client, pool)
        states = {f"{one.flow_name}/{one.name}": _register(client, one) for one in found.deployments}
        block = block_to_notify(client, None)
        alarms = register(client, automations(found.specs, block)) if block else []
        gone = _gone(client, set(states))
    facts = {
        "server": redact(variable("PREFECT_API_URL")),
        "pool": pool.name,
        "deployments": states,
        "broken": found.broken,
        "gone": gone,
        "automations": alarms,
        "notified": block is not None,
    }
    return facts, "\n".join(_told(facts, made_pool))


def _variables(pool: WorkPool) -> dict[str, Any]:
    """A process starts where this command was given; secrets stay in the worker's own environment."""
    if pool.kind != "process":
        return pool.job_variables
    return {"working_dir": str(Path.cwd()), **pool.job_variables}


def _reach(client: SyncPrefectClient) -> None:
    url = redact(variable("PREFECT_API_URL"))
    try:
        client.api_healthcheck()
        client.read_work_pools(limit=1)
    except httpx.HTTPStatusError as refused:
        if refused.response.status_code not in (401, 403):
            raise
        raise ServerUnreachable(
            f"the Prefect server at {url} wants a password: set PREFECT_API_AUTH_STRING to its user:password."
        ) from refused
    except httpx.HTTPError as silent:
        raise ServerUnreachable(f"the Prefect server at {url} does not answer: {type(silent).__name__}.") from silent


def _ensure_pool(client: SyncPrefectClient, pool: WorkPool) -> bool:
    try:
        there = client.read_work_pool(pool.name)
    except ObjectNotFound:
        template = asyncio.run(get_default_base_job_template_for_infrastructure_type(pool.kind))
        client.create_work_pool(WorkPoolCreate(name=pool.name, type=pool.kind, base_job_template=template or {}))
        return True
    if there.type != pool.kind:
        raise SpecError(f"work pool {pool.name!r} is of type {there.type}, not {pool.kind}; give it another --pool.")
    return False


def _register(client: SyncPrefectClient, wanted: RunnerDeployment) -> str:
    """new, changed, or unchanged; with 'paused' where a person has paused its schedule."""
    try:
        there = client.read_deployment_by_name(f"{wanted.flow_name}/{wanted.name}")
    except ObjectNotFound:
        wanted.apply()
        return "new"
    paused = there.paused or any(not one.active for one in there.schedules)
    state = "unchanged"
    if _shape(there) != _wanted(wanted):
        for schedule in wanted.schedules or []:
            schedule.active = not paused
        wanted.apply()
        state = "changed"
    return f"{state}, paused" if paused else state


def _shape(there: DeploymentResponse) -> tuple[object, ...]:
    schedules = [one.schedule.model_dump(mode="json", include={"cron", "timezone"}) for one in there.schedules]
    fields = (there.entrypoint, there.version, sorted(there.tags), there.parameters, there.description)
    return (*fields, there.work_pool_name, there.job_variables or {}, schedules, there.parameter_openapi_schema)


def _wanted(one: RunnerDeployment) -> tuple[object, ...]:
    every = [each.schedule for each in one.schedules or []]
    schedules = [schedule.model_dump(mode="json", include={"cron", "timezone"}) for schedule in every if schedule]
    schema = one._parameter_openapi_schema.model_dump(exclude_unset=True)
    fields = (one.entrypoint, one.version, sorted(one.tags), one.parameters, one.description)
    return (*fields, one.work_pool_name, one.job_variables or {}, schedules, schema)


def _gone(client: SyncPrefectClient, names: set[str]) -> list[str]:
    """Deployments of ours without a pipeline; they are named, and left to a person."""
    ours = {name for name, one in registered(client).items() if "nightcast" in one.tags}
    return sorted(ours - names)


def _told(facts: dict[str, Any], made_pool: bool) -> list[str]:
    states = facts["deployments"]
    lines = [f"{name:<40} {state}" for name, state in states.items()]
    lines += [f"not deployed: {name}: {why}" for name, why in facts["broken"].items()]
    lines += [f"no pipeline any more: {name}; prefect deployment delete {name}" for name in facts["gone"]]
    if not facts["notified"]:
        lines.append(f"nobody is told of anything: make a notification block named {NAME} in the UI, and deploy again")
    changed = sum(not state.startswith("unchanged") for state in states.values())
    pool = f"{'new ' if made_pool else ''}work pool {facts['pool']}"
    nothing = "; nothing has changed" if not changed and not facts["automations"] else ""
    lines.append(f"done · {changed} of {len(states)} deployments written · {pool} · {facts['server']}{nothing}")
    return [*lines, f"Runs need a worker: prefect worker start --pool {facts['pool']}"] if made_pool else lines
