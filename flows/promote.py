"""Make a version of a pipeline the champion by hand, as a form of the Prefect UI and as a Python function."""

from typing import Any

from prefect import flow
from prefect.context import FlowRunContext

from flows.pipeline.parameters import Pipeline, Reason, Version
from flows.runs.manual_change import ChangeRequest, change_champion, current_person


@flow(name="promote", flow_run_name="{pipeline}", persist_result=False, result_serializer="json")
def promote(pipeline: Pipeline, reason: Reason, version: Version = None) -> dict[str, Any]:
    """Make a version of a pipeline champion from the next night on.

    Args:
        pipeline: The name of a pipeline; in Python also a spec or the path of its YAML file.
        reason: Why.
        version: The version in MLflow; None for that of the alias challenger.

    Returns:
        The champion, the one before, who decided and why.

    Raises:
        PromotionRefused: The version does not exist, cannot be read or does not fit the pipeline.
    """
    request = ChangeRequest(pipeline, "promote", str(version or ""), reason, person())
    facts, _ = change_champion(request)
    return facts


def person() -> str:
    """Return who started this run: the user of Prefect, if the server knows users, else the user of the process."""
    context = FlowRunContext.get()
    creator = context.flow_run.created_by if context and context.flow_run else None
    name = creator.display_value if creator and creator.type not in ("DEPLOYMENT", "SCHEDULE") else None
    return f"{name} (Prefect)" if name else f"{current_person()} (Prefect)" if context else current_person()
