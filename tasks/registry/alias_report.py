"""What an alias champion that was moved in MLflow means, before the next night decides about it. Changes nothing."""

from datetime import datetime

from data_contracts.errors import NightcastError
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.registry.aliases import moved_version, read_alias
from tasks.registry.manual_promotion import find_version, require_usable
from tasks.registry.mlflow_registry import TrackingSettings
from tasks.storage.store import Store


def why_refused(
    pipeline: str, version: str, setup: ForecastSetup, tracking: TrackingSettings | None, store: Store
) -> str:
    """Return why a version may not become champion; empty if it may."""
    try:
        require_usable(find_version(pipeline, version, tracking, store), setup, store)
    except NightcastError as refused:
        return str(refused)
    return ""


def describe_moved_alias(
    pipeline: str, setup: ForecastSetup, tracking: TrackingSettings | None, store: Store, now: datetime
) -> tuple[str, bool]:
    """Describe an alias champion that a person has moved in MLflow.

    Args:
        pipeline: Name of the pipeline.
        setup: Inputs and outputs that the model must have been made for.
        tracking: Where MLflow is; None if it may not be asked.
        store: The store of the pipeline.
        now: The current time.

    Returns:
        A sentence, empty if nobody has moved the alias; and whether the next night will adopt it.

    Raises:
        Exception: Whatever the registry raises if it does not answer.
    """
    version = moved_version(read_alias(tracking, pipeline), pipeline, now, store) if tracking else ""
    if not version:
        return "", False
    moved = f"the alias champion of {pipeline} was moved to version {version} in MLflow"
    if reason := why_refused(pipeline, version, setup, tracking, store):
        return f"{moved}, and the next night will set it back: {reason}", False
    return f"{moved}, and the next night will adopt it", True
