"""Order of runs known to Prefect: earlier nights run first, runs of dead processes are marked as crashed.

After a machine was off, the late runs of several nights start together, but each night builds on the champion of the
one before. The lease in the store decides who may write, not Prefect, so an error here does not stop a run.
"""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Crashed
from pydantic import ValidationError

from tasks.storage.process_identity import ProcessIdentity, has_exited

log = logging.getLogger("nightcast")

FLOW_NAMES = ("nightly", "retrain", "forecast", "monitor", "backfill", "promote", "tune", "backtest")
STUDIES = ("tune", "backtest")  # they write nothing that other runs read
LABEL = "nightcast.owner"
STARTUP_TIMEOUT = timedelta(minutes=10)  # a run without an owner is assumed to be starting for this long
POLL_INTERVAL_S = 2.0  # between two checks for earlier nights
OPEN_STATES = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


def wait_for_earlier_runs(owner: ProcessIdentity, timeout: float) -> None:
    """Label this run with its process, mark dead runs, and wait for earlier nights of the same deployment.

    Args:
        owner: This process.
        timeout: How long to wait, in seconds.
    """
    if FlowRunContext.get() is None:  # a run without a server
        return
    try:
        with get_client(sync_client=True) as client:
            if flow_run.id:
                client.update_flow_run_labels(UUID(flow_run.id), {LABEL: owner.model_dump_json()})
            mark_dead_runs(client)
            _wait_for_earlier_nights(client, timeout)
    except Exception as error:  # noqa: BLE001 - without a server, or with one that refuses, the night goes on
        log.debug("Prefect could not be asked about other runs: %s", error)


def mark_dead_runs(client: SyncPrefectClient, startup_timeout: timedelta = STARTUP_TIMEOUT) -> list[FlowRun]:
    """Mark active runs as crashed if their process has exited or never wrote its label.

    Args:
        client: A client of the Prefect server.
        startup_timeout: How long a run without a process label is assumed to be starting.

    Returns:
        The runs that were marked.
    """
    active = _read_runs(client, [StateType.PENDING, StateType.RUNNING])
    dead = [(run, reason) for run in active if (reason := _explain_death(run, startup_timeout))]
    for run, reason in dead:
        message = f"{reason}; run the night again, or `nightcast backfill`: finished steps are not repeated"
        client.set_flow_run_state(run.id, Crashed(message=message), force=True)
        log.warning("%s was left %s: %s", run.name, run.state_name, reason)
    return [run for run, _ in dead]


def mark_crashed(run_id: str, reason: str) -> None:
    """Mark a run whose lease was taken over as crashed, so that no other run waits for it."""
    if FlowRunContext.get() is None:  # a run without a server: `mark_dead_runs` of a later run marks it
        return
    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(UUID(run_id))
            if run.state and not run.state.is_final():
                client.set_flow_run_state(run.id, Crashed(message=reason), force=True)
    except (ObjectNotFound, ValueError):
        return
    except Exception as error:  # noqa: BLE001 - as above
        log.debug("run %s could not be marked as crashed in Prefect: %s", run_id, error)


def read_owner(run: FlowRun) -> ProcessIdentity | None:
    """Return the process that a run is labelled with; None if it has no valid label."""
    try:
        return ProcessIdentity.model_validate_json(str((run.labels or {})[LABEL]))
    except (KeyError, ValidationError):
        return None


def _explain_death(run: FlowRun, startup_timeout: timedelta) -> str:
    """Return why the process of a run must have exited; empty if it may be alive."""
    owner = read_owner(run)
    if owner:
        return f"its process {owner.pid} on {owner.host} is gone" if has_exited(owner) else ""
    since = run.state.timestamp if run.state else None
    if since and datetime.now(UTC) - since >= startup_timeout:
        return f"it has not started since {since:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _wait_for_earlier_nights(client: SyncPrefectClient, timeout: float) -> None:
    this_run = client.read_flow_run(UUID(flow_run.id)) if flow_run.id else None
    if not this_run or not this_run.deployment_id or this_run.parameters.get("as_of"):
        return
    deadline, logged = time.monotonic() + timeout, False
    while time.monotonic() < deadline and (first := next(_iterate_earlier_runs(client, this_run), None)):
        if not logged:
            log.info("waiting for %s, an earlier night that is %s", first.name, first.state_name)
        logged = True
        time.sleep(POLL_INTERVAL_S)
        mark_dead_runs(client)


def _iterate_earlier_runs(client: SyncPrefectClient, this_run: FlowRun) -> Iterator[FlowRun]:
    for run in _read_runs(client, OPEN_STATES):
        same = run.deployment_id == this_run.deployment_id and not run.parameters.get("as_of")
        due, this_due = run.expected_start_time, this_run.expected_start_time
        if same and due and this_due and due < this_due:
            yield run


def _read_runs(client: SyncPrefectClient, states: list[StateType]) -> list[FlowRun]:
    """Return the runs that are due and in one of these states, earliest first."""
    due = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[*FLOW_NAMES])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)), expected_start_time=due
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=200,
    )
