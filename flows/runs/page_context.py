"""Collect what the morning page shows besides the results of the steps."""

from datetime import datetime, timedelta
from urllib.parse import quote

from prefect.context import FlowRunContext
from prefect.settings import get_current_settings

from flows.pipeline.schedule import scheduled_times
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from tasks.results.page_context import PageContext
from tasks.storage.retractions import retracted_since_last_night

MAX_WAIT = timedelta(days=400)  # for the next night: a schedule may fire once a year


def collect_page_context(spec: PipelineSpec, as_of: datetime, settings: Settings) -> PageContext:
    """Return unit, next night, links and retractions of a run.

    Prefect's link leads to the deployment, not to the run: a night that was killed and run again writes the same page.
    """
    columns = spec.compiled_contract.columns if spec.compiled_contract else ()
    unit = next((column.unit for column in columns if column.name == spec.forecast_setup.target), None)
    address = (get_current_settings().ui_url or "").rstrip("/")
    address = "" if "@" in address else address  # it has a password
    deployment = _deployment_of_run()
    runs = f"/deployments/deployment/{deployment}" if deployment else "/runs"
    registry = (settings.mlflow_address or "").rstrip("/")
    return PageContext(
        unit=unit or "",
        next_night=_find_next_night(spec, as_of),
        prefect_url=f"{address}{runs}" if address else "",
        retracted=tuple(
            record.sentence for record in retracted_since_last_night(spec.name, as_of, settings.opened_store)
        ),
        mlflow_url=f"{registry}/#/models/{quote(spec.name)}?workflowType=machine_learning" if registry else "",
    )


def _deployment_of_run() -> str | None:
    """Return the id of the deployment that runs; `prefect.runtime` asks the server for it, which may fail."""
    context = FlowRunContext.get()
    deployment = context.flow_run.deployment_id if context and context.flow_run else None
    return str(deployment) if deployment else None


def _find_next_night(spec: PipelineSpec, as_of: datetime) -> datetime | None:
    """Return when the schedule fires next; None for data that have ended. Midnight stands for the night of its date."""
    if spec.schedule.as_of is not None:
        return None
    local = as_of.astimezone(spec.schedule.zone)
    is_date = (local.hour, local.minute, local.second) == (0, 0, 0)
    for moment in scheduled_times(spec, as_of, as_of + MAX_WAIT):
        if not (is_date and moment.astimezone(spec.schedule.zone).date() == local.date()):
            return moment
    return None
