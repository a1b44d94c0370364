"""With a real Prefect server: runs of dead processes are marked, others are not, and earlier nights run first."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, Pending, Running, Scheduled

from flows.nightly import nightly
from flows.runs import run_order
from tasks.storage.process_identity import current_process

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def client():
    with get_client(sync_client=True) as client:
        yield client
        for run in run_order._read_runs(client, run_order.OPEN_STATES):  # leave nothing that the next test could meet
            client.set_flow_run_state(run.id, Completed(), force=True)


@flow(name="somebody-elses")
def foreign():
    """A flow of another project on the same server."""


def dead():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return current_process("nightly shop").model_copy(update={"pid": ended.pid, "started": "1"})


def started(client, state, owner=None, of=nightly):
    run = client.create_flow_run(of, parameters={}, state=state)
    if owner:
        client.update_flow_run_labels(run.id, {run_order.LABEL: owner.model_dump_json()})
    return run.id


def test_run_of_a_dead_process_is_marked_as_crashed(client):
    gone, alive = started(client, Running(), dead()), started(client, Running(), current_process("nightly shop"))
    assert [run.id for run in run_order.mark_dead_runs(client)] == [gone]
    state = client.read_flow_run(gone).state
    assert state.type == StateType.CRASHED
    assert "is gone; run the night again" in state.message
    assert client.read_flow_run(alive).state.type == StateType.RUNNING


def test_starting_run_is_left_alone_until_the_startup_timeout(client):
    pending = started(client, Pending())
    assert run_order.mark_dead_runs(client) == []
    assert [run.id for run in run_order.mark_dead_runs(client, timedelta(0))] == [pending]


def test_runs_of_other_projects_are_not_touched(client):
    other = started(client, Pending(), of=foreign)
    assert run_order.mark_dead_runs(client, timedelta(0)) == []
    assert client.read_flow_run(other).state.type == StateType.PENDING
    client.set_flow_run_state(other, Completed(), force=True)


def test_run_whose_lease_was_taken_over_is_marked_unless_it_ended(client):
    running, done = started(client, Running()), started(client, Completed())
    mark_crashed = flow(persist_result=False)(run_order.mark_crashed)
    mark_crashed(str(running), "taken over")
    mark_crashed(str(done), "taken over")
    mark_crashed("", "a run without Prefect")
    assert client.read_flow_run(running).state.type == StateType.CRASHED
    assert client.read_flow_run(done).state.type == StateType.COMPLETED


def test_only_earlier_nights_of_the_same_deployment_run_first(client):
    deployment = nightly.to_deployment("order", parameters={"pipeline": "nyc-delays"}).apply()
    other = nightly.to_deployment("another", parameters={"pipeline": "nyc-delays"}).apply()
    now = datetime.now(UTC)

    def late(days, of=deployment, **parameters):
        when = Scheduled(scheduled_time=now - timedelta(days=days))
        return client.create_flow_run_from_deployment(of, state=when, parameters=parameters)

    mine, third, first, second = late(1), late(0.5), late(3), late(2)
    late(4, of=other)
    late(5, as_of="2024-01-01")  # by hand, for a night of its own
    late(-1)  # tomorrow's
    ended = late(6)
    client.set_flow_run_state(ended.id, Completed(), force=True)
    found = [run.id for run in run_order._iterate_earlier_runs(client, client.read_flow_run(mine.id))]
    assert found == [first.id, second.id]
    assert third.id not in found


def test_unreachable_prefect_server_does_not_stop_the_night(monkeypatch):
    def refused(**_):
        raise ConnectionError("nobody there")

    def ask():
        run_order.wait_for_earlier_runs(current_process("nightly shop"), 60)
        run_order.mark_crashed("5f1c5c8a-7c3c-4e9b-9d6d-0d5f0e7c9a11", "taken over")

    monkeypatch.setattr(run_order, "get_client", refused)
    flow(persist_result=False)(ask)()


def test_every_deployed_flow_is_among_the_flow_names():
    from deployments.server.deployment_catalogue import DEPLOYED_FLOWS

    assert {flow.name for flow in DEPLOYED_FLOWS} | {"tune"} == set(run_order.FLOW_NAMES)
