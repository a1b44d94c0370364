"""The runner of `nightcast up`: serves every pipeline with its schedule, each run in its own process.

`python -m deployments.server.runner`. It reports what it serves and how the last nights ended, as lines of JSON on
stdout.
"""

import contextlib
import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL

from deployments.process_environment import variable
from deployments.server.automations import automations, register
from deployments.server.deployment_catalogue import Catalogue, catalogue, registered
from deployments.server.notifications import NOTICES_FILE, notification_block
from flows.pipeline.schedule import scheduled_times
from flows.pipeline.spec import PipelineSpec
from flows.runs.run_order import mark_dead_runs
from flows.settings import Settings
from tasks.results.manifest import newest, read_all

log = logging.getLogger("nightcast")

MAX_CONCURRENT_RUNS = 4  # of all pipelines; per pipeline the lease admits one writer
REPORT_INTERVAL_S = 5.0
SERVER_POLL_INTERVAL_S, MAX_SERVER_POLLS, REQUEST_TIMEOUT_S = 0.2, 600, 5.0


def main() -> None:
    """Mark dead runs of an earlier runner as crashed, then serve all deployments until SIGTERM."""
    settings, home, started = Settings(), Path(variable("PREFECT_HOME")), datetime.now(UTC)
    deployable = catalogue(settings.pipelines)
    _wait_for_server()
    with get_client(sync_client=True) as client:
        dead_runs = mark_dead_runs(client, timedelta(0))
        block = notification_block(client, home / NOTICES_FILE)
        register(client, automations(deployable.specs, block) if block else [])
    report = (deployable, settings, len(dead_runs), started)
    threading.Thread(target=_report_status, args=report, daemon=True).start()
    prefect.serve(
        *deployable.deployments,
        name="nightcast",
        pause_on_shutdown=False,  # a night that is due while `up` is off becomes late and runs at the next start
        print_starting_message=False,
        limit=MAX_CONCURRENT_RUNS,
    )


def _wait_for_server() -> None:
    for _ in range(MAX_SERVER_POLLS):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{PREFECT_API_URL.value()}/health", timeout=REQUEST_TIMEOUT_S).is_success:
                return
        time.sleep(SERVER_POLL_INTERVAL_S)


def _report_status(deployable: Catalogue, settings: Settings, dead_runs: int, started: datetime) -> None:
    while True:
        try:
            served, orphans = _list_served(deployable, started)
            status = {"served": len(served), "reaped": dead_runs, "broken": deployable.broken}
            status |= {"deployments": served, "not_served": orphans}
            status["pipelines"] = [_pipeline_status(spec, settings) for spec in deployable.specs]
            sys.stdout.write(json.dumps(status) + "\n")
            sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 - server and store may be unreachable for a while
            log.debug("cannot read the status of the pipelines: %s", error)
        time.sleep(REPORT_INTERVAL_S)


def _list_served(deployable: Catalogue, started: datetime) -> tuple[list[str], list[str]]:
    """Ask the server which deployments this runner serves.

    Args:
        deployable: The deployments that it is to serve.
        started: When the runner started: what was updated before is of an earlier runner.

    Returns:
        The names of those that the server has from this runner, and of those tagged nightcast that no file defines.
    """
    with get_client(sync_client=True) as client:
        on_server = registered(client)
    wanted = {f"{deployment.flow_name}/{deployment.name}" for deployment in deployable.deployments}
    served = [name for name in sorted(wanted & set(on_server)) if _is_of(started, on_server[name])]
    return served, sorted(name for name in set(on_server) - wanted if "nightcast" in on_server[name].tags)


def _is_of(started: datetime, deployment: DeploymentResponse) -> bool:
    return deployment.updated is not None and deployment.updated >= started


def _pipeline_status(spec: PipelineSpec, settings: Settings) -> dict[str, Any]:
    now = datetime.now(UTC)
    next_night = next(scheduled_times(spec, now, now + timedelta(days=800)), None)
    last = newest(run for run in read_all(settings.opened_store, spec.name) if run.outcome)
    zone = spec.schedule.zone
    return {
        "name": spec.name,
        "next": f"{next_night.astimezone(zone):%a %d %b %H:%M}" if next_night else "never",
        "zone": zone.key,
        "last": f"{last.flow} of {last.as_of_text[:16]}: {last.outcome}" if last else "no run yet",
    }


if __name__ == "__main__":
    main()
