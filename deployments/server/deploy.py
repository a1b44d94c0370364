"""`nightcast deploy`: register every pipeline on the Prefect server at PREFECT_API_URL, for the workers of a pool."""

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
from deployments.process_environment import prefect_home, variable
from deployments.server.automations import automations, register
from deployments.server.deployment_catalogue import catalogue, registered
from deployments.server.notifications import BLOCK_NAME, notification_block
from flows.settings import Settings


class ServerUnreachable(NightcastError):
    """The Prefect server does not answer, or wants a password."""


class WorkPool(NamedTuple):
    """The work pool whose workers run the nights, with job variables of its kind."""

    name: str
    kind: str
    job_variables: dict[str, Any]


def deploy(pool: WorkPool) -> tuple[dict[str, Any], str]:
    """Register all pipelines and automations.

    Unchanged deployments are not written again, and a schedule that a person paused stays paused.

    Returns:
        The facts for `--json`, and the text.

    Raises:
        SpecError: PREFECT_API_URL is missing or belongs to `nightcast up`, or the pool has another type.
        ServerUnreachable: the server does not answer, or wants a password.
    """
    url = variable("PREFECT_API_URL")
    if not url:
        raise SpecError(
            "PREFECT_API_URL is not set: set it to the API of your Prefect server. On one machine, nightcast up needs "
            "no server of yours."
        )
    instance = running_instance(prefect_home())
    if instance and url.startswith(instance["prefect"]):
        raise SpecError(
            f"{instance['prefect']} belongs to nightcast up, which serves every pipeline itself. Restart nightcast up "
            "to serve new pipelines."
        )
    deployable = catalogue(Settings().pipelines, work_pool_name=pool.name, job_variables=_job_variables(pool))
    with get_client(sync_client=True) as client:
        _check_server(client)
        is_new_pool = _ensure_pool(client, pool)
        states = {f"{wanted.flow_name}/{wanted.name}": _register(client, wanted) for wanted in deployable.deployments}
        block = notification_block(client, None)
        changed_automations = register(client, automations(deployable.specs, block)) if block else []
        orphans = _without_pipeline(client, set(states))
    facts = {
        "server": redact(url),
        "pool": pool.name,
        "deployments": states,
        "broken": deployable.broken,
        "gone": orphans,
        "automations": changed_automations,
        "notified": block is not None,
    }
    return facts, "\n".join(_format(facts, is_new_pool))


def _job_variables(pool: WorkPool) -> dict[str, Any]:
    """A process starts in the folder of this command; secrets stay in the worker's own environment."""
    if pool.kind != "process":
        return pool.job_variables
    return {"working_dir": str(Path.cwd()), **pool.job_variables}


def _check_server(client: SyncPrefectClient) -> None:
    url = redact(variable("PREFECT_API_URL"))
    try:
        client.api_healthcheck()
        client.read_work_pools(limit=1)
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in (401, 403):
            raise
        raise ServerUnreachable(
            f"the Prefect server at {url} wants a password: set PREFECT_API_AUTH_STRING to its user:password."
        ) from error
    except httpx.HTTPError as error:
        raise ServerUnreachable(
            f"the Prefect server at {url} does not answer: {type(error).__name__}. "
            "Start it, or correct PREFECT_API_URL."
        ) from error


def _ensure_pool(client: SyncPrefectClient, pool: WorkPool) -> bool:
    """Create the work pool if it is missing. Returns whether it was created."""
    try:
        existing = client.read_work_pool(pool.name)
    except ObjectNotFound:
        template = asyncio.run(get_default_base_job_template_for_infrastructure_type(pool.kind))
        client.create_work_pool(WorkPoolCreate(name=pool.name, type=pool.kind, base_job_template=template or {}))
        return True
    if existing.type != pool.kind:
        raise SpecError(
            f"work pool {pool.name!r} is of type {existing.type}, not {pool.kind}. "
            "Choose another --pool or --pool-type."
        )
    return False


def _register(client: SyncPrefectClient, wanted: RunnerDeployment) -> str:
    """Return new, changed or unchanged, with `, paused` if a person has paused its schedule."""
    try:
        existing = client.read_deployment_by_name(f"{wanted.flow_name}/{wanted.name}")
    except ObjectNotFound:
        wanted.apply()
        return "new"
    paused = existing.paused or any(not schedule.active for schedule in existing.schedules)
    state = "unchanged"
    if _content(existing) != _wanted_content(wanted):
        for schedule in wanted.schedules or []:
            schedule.active = not paused
        wanted.apply()
        state = "changed"
    return f"{state}, paused" if paused else state


def _content(existing: DeploymentResponse) -> tuple[object, ...]:
    schedules = [entry.schedule.model_dump(mode="json", include={"cron", "timezone"}) for entry in existing.schedules]
    fields = (existing.entrypoint, existing.version, sorted(existing.tags), existing.parameters, existing.description)
    schema = existing.parameter_openapi_schema
    return (*fields, existing.work_pool_name, existing.job_variables or {}, schedules, schema)


def _wanted_content(wanted: RunnerDeployment) -> tuple[object, ...]:
    schedules = [
        entry.schedule.model_dump(mode="json", include={"cron", "timezone"})
        for entry in wanted.schedules or []
        if entry.schedule
    ]
    fields = (wanted.entrypoint, wanted.version, sorted(wanted.tags), wanted.parameters, wanted.description)
    schema = wanted._parameter_openapi_schema.model_dump(exclude_unset=True)
    return (*fields, wanted.work_pool_name, wanted.job_variables or {}, schedules, schema)


def _without_pipeline(client: SyncPrefectClient, names: set[str]) -> list[str]:
    """Return Nightcast's deployments without a pipeline; they are reported and left for a person to delete."""
    tagged = {name for name, deployment in registered(client).items() if "nightcast" in deployment.tags}
    return sorted(tagged - names)


def _format(facts: dict[str, Any], is_new_pool: bool) -> list[str]:
    states = facts["deployments"]
    lines = [f"{name:<40} {state}" for name, state in states.items()]
    lines += [f"not deployed: {name}: {reason}" for name, reason in facts["broken"].items()]
    lines += [
        f"pipeline no longer exists: {name}; delete it with: prefect deployment delete {name}" for name in facts["gone"]
    ]
    if not facts["notified"]:
        lines.append(
            f"no notifications: create a notification block named {BLOCK_NAME} in the UI, "
            "then run nightcast deploy again"
        )
    changed = sum(not state.startswith("unchanged") for state in states.values())
    pool = f"{'new ' if is_new_pool else ''}work pool {facts['pool']}"
    unchanged = "; nothing has changed" if not changed and not facts["automations"] else ""
    lines.append(f"done · {changed} of {len(states)} deployments written · {pool} · {facts['server']}{unchanged}")
    return [*lines, f"Runs need a worker: prefect worker start --pool {facts['pool']}"] if is_new_pool else lines
