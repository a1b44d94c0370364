"""What Prefect knows of other runs: earlier nights go first, and runs whose process is gone are marked as crashed.

Late runs of several nights start together when a machine was off; each night builds on the champion of the one before.
Prefect has no say in who may write (that is the lease in the store), so whatever goes wrong here holds no night up.
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
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Crashed
from pydantic import ValidationError

from tasks.storage.process_identity import ProcessIdentity, has_exited

log = logging.getLogger("nightcast")

FLOW_NAMES = ("nightly", "retrain", "forecast", "monitor", "backfill", "tune")
LABEL = "nightcast.owner"
STARTING = timedelta(minutes=10)  # until then a run without an owner is taken to be on its way
POLL_INTERVAL_S = 2.0  # seconds between two looks at earlier nights
OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


def wait_for_earlier_runs(owner: ProcessIdentity, patience: float) -> None:
    """Sign this run, mark dead ones, and let the earlier nights of the same deployment go first."""
    try:
        with get_client(sync_client=True) as client:
            if flow_run.id:
                client.update_flow_run_labels(UUID(flow_run.id), {LABEL: owner.model_dump_json()})
            mark_dead_runs(client)
            _let_earlier_nights_go_first(client, patience)
    except Exception as trouble:  # noqa: BLE001 - without a server, or with one of another mind, the night goes on
        log.debug("Prefect could not be asked about other runs: %s", trouble)


def mark_dead_runs(client: SyncPrefectClient, starting: timedelta = STARTING) -> list[FlowRun]:
    """Mark as crashed every run that Prefect takes to be under way and whose process is gone; those runs."""
    under_way = _runs(client, [StateType.PENDING, StateType.RUNNING])
    gone = [(run, why) for run in under_way if (why := _gone(run, starting))]
    for run, why in gone:
        told = f"{why}; run the night again, or `nightcast backfill`: finished steps are not done twice"
        client.set_flow_run_state(run.id, Crashed(message=told), force=True)
        log.warning("%s was left %s: %s", run.name, run.state_name, why)
    return [run for run, _ in gone]


def mark_crashed(run_id: str, why: str) -> None:
    """Mark one run whose lease was taken over, so that nobody waits for it."""
    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(UUID(run_id))
            if run.state and not run.state.is_final():
                client.set_flow_run_state(run.id, Crashed(message=why), force=True)
    except (ObjectNotFound, ValueError):
        return
    except Exception as trouble:  # noqa: BLE001 - as above
        log.debug("Prefect could not be told about run %s: %s", run_id, trouble)


def owner_of(run: FlowRun) -> ProcessIdentity | None:
    """The process that signed a run."""
    try:
        return ProcessIdentity.model_validate_json(str((run.labels or {})[LABEL]))
    except (KeyError, ValidationError):
        return None


def _gone(run: FlowRun, starting: timedelta) -> str:
    owner = owner_of(run)
    if owner:
        return f"its process {owner.pid} on {owner.host} is gone" if has_exited(owner) else ""
    since = run.state.timestamp if run.state else None
    if since and datetime.now(UTC) - since >= starting:
        return f"nothing was heard of it since {since:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _let_earlier_nights_go_first(client: SyncPrefectClient, patience: float) -> None:
    mine = client.read_flow_run(UUID(flow_run.id)) if flow_run.id else None
    if not mine or not mine.deployment_id or mine.parameters.get("as_of") or not mine.expected_start_time:
        return
    until, told = time.monotonic() + patience, False
    while time.monotonic() < until and (first := next(_earlier(client, mine), None)):
        if not told:
            log.info("waiting for %s, an earlier night that is %s", first.name, first.state_name)
        told = True
        time.sleep(POLL_INTERVAL_S)
        mark_dead_runs(client)


def _earlier(client: SyncPrefectClient, mine: FlowRun) -> Iterator[FlowRun]:
    for run in _runs(client, OPEN):
        same = run.deployment_id == mine.deployment_id and not run.parameters.get("as_of")
        due, ours = run.expected_start_time, mine.expected_start_time
        if same and due and ours and due < ours:
            yield run


def _runs(client: SyncPrefectClient, states: list[StateType]) -> list[FlowRun]:
    """Runs that are due and in one of these states, the earliest first."""
    due = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[*FLOW_NAMES])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)), expected_start_time=due
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=200,
    )
