"""Whether the registry answers and accepts this user, asked in seconds, and its errors in one sentence."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

from data_contracts.errors import NightcastError, redact
from tasks.registry.database import RegistryBusy, database_fault
from tasks.registry.mlflow_registry import TrackingSettings

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT_S = 5.0
PROBE = "/api/2.0/mlflow/experiments/search"  # unlike /health, it wants the password
LIBRARIES = ("mlflow", "requests", "urllib3", "sqlalchemy", "http", "socket")
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
ADVICE = "Start it, or correct NIGHTCAST_MLFLOW_URI"
CREDENTIALS = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


class RegistryUnreachable(NightcastError):
    """The registry does not answer, or refuses this user. Forecasts do not need it."""

    headline = "The registry cannot be used."

    def __init__(self, tracking: TrackingSettings, fault: str) -> None:
        super().__init__(
            f"the registry at {redact(tracking.uri)} {fault}. No model was registered or promoted; forecasts use the "
            f"models of the store. {advise(fault)}: the next night registers its models"
        )


def registry_fault(tracking: TrackingSettings | None) -> str:
    """Return why the registry cannot be used now, as the end of a sentence; empty if it can, or does not exist yet."""
    if tracking is None or tracking.database_is_missing:
        return ""
    if tracking.database:
        try:
            return database_fault(tracking.database)
        except RegistryBusy as busy:
            return f"cannot be read now: {busy.__cause__}"
    if tracking.uri.startswith(("http://", "https://")):
        return _fault_of_server(tracking.uri)
    return _fault_of_database(tracking.uri) if "://" in tracking.uri and tracking.uri.split(":")[0] != "file" else ""


def describe_fault(tracking: TrackingSettings | None) -> str:
    """Return the fault as a sentence with what to do, before a night; empty without a fault."""
    fault = registry_fault(tracking)
    if not tracking or not fault:
        return ""
    return f"the registry at {redact(tracking.uri)} {fault}: no model will be promoted. {advise(fault)}."


def advise(fault: str) -> str:
    """Return what to do about a fault of the registry."""
    return CREDENTIALS if "refuses" in fault else "Run nightcast fsck --repair" if "damaged" in fault else ADVICE


def _fault_of_server(uri: str) -> str:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    credentials = get_default_host_creds(uri)  # of MLflow's variables and of its file in the user's home
    options: dict[str, Any] = {"params": {"max_results": 1}, "max_retries": 0, "raise_on_status": False}
    try:
        status = http_request(credentials, PROBE, "GET", timeout=TIMEOUT_S, **options).status_code
    except (MlflowException, OSError):
        return "does not answer"
    if status in REFUSALS:
        return f"refuses this user (HTTP {status})"
    return "" if status == HTTPStatus.OK else f"answers HTTP {status}"


def _fault_of_database(uri: str) -> str:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        with create_engine(uri, poolclass=NullPool).connect():
            return ""
    except (SQLAlchemyError, ImportError) as error:
        reason = redact((str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0])
        word = "refuses this user" if "authentication" in reason or "denied" in reason else "does not answer"
        return f"{word} ({reason})"


@contextlib.contextmanager
def translate_registry_errors(tracking: TrackingSettings | None) -> Iterator[None]:
    """Raise RegistryUnreachable for an error of MLflow or of its connection inside the block."""
    try:
        yield
    except Exception as error:
        is_of_registry = any(part.__module__.partition(".")[0] in LIBRARIES for part in type(error).__mro__)
        if not tracking or isinstance(error, NightcastError) or not (is_of_registry or isinstance(error, OSError)):
            raise
        first = redact((str(error).strip().splitlines() or [type(error).__name__])[0])
        fault = registry_fault(tracking) or f"refused a call ({type(error).__name__}: {first})"
        raise RegistryUnreachable(tracking, fault) from error


def with_registry_errors(work: Callable[P, R]) -> Callable[P, R]:
    """Decorate a step with the argument `gate`, whose `tracking` says where the registry is."""

    @functools.wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        gate: Any = kwargs.get("gate") or next((part for part in args if hasattr(part, "tracking")), None)
        with translate_registry_errors(gate.tracking if gate else None):
            return work(*args, **kwargs)

    return call
