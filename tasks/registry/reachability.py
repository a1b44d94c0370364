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
LIBRARIES = ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "http", "socket")
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
ADVICE = "Start it, or correct NIGHTCAST_MLFLOW_URI"
INSTALL = "Install it, or set an address whose driver is installed (nightcast[postgresql] has postgresql+psycopg://)"
UNKNOWN_DATABASE = "names a kind of database that is not known"
MAX_REASON_CHARACTERS = 200
CREDENTIALS = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


class RegistryUnreachable(NightcastError):
    """The registry does not answer, or refuses this user. Forecasts do not need it."""

    headline = "The registry cannot be used."

    def __init__(self, tracking: TrackingSettings, fault: str, by_hand: bool = False) -> None:
        effect = "No model was registered or promoted; forecasts use the models of the store"
        afterwards = ": the next night registers its models"
        if by_hand:
            effect, afterwards = "Nothing was changed", ", then run the same command again."
        super().__init__(f"the registry at {redact(tracking.uri)} {fault}. {effect}. {advise(fault)}{afterwards}")


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
    remedies = {
        "refuses": CREDENTIALS,
        "damaged": "Run nightcast fsck --repair",
        "not installed": INSTALL,
        UNKNOWN_DATABASE: "Correct NIGHTCAST_MLFLOW_URI",
    }
    return next((remedy for word, remedy in remedies.items() if word in fault), ADVICE)


def explain(tracking: TrackingSettings, error: Exception) -> str:
    """Return what an error of the registry, of its driver or its connection means, without secrets.

    Args:
        tracking: Where the registry is.
        error: What SQLite, MLflow or the network has raised.

    Returns:
        The address with the fault, and what to do.
    """
    fault = registry_fault(tracking) or f"refused a call ({describe_call(error)})"
    return f"the registry at {redact(tracking.uri)} {fault}. {advise(fault)}."


def describe_call(error: Exception) -> str:
    """Return the first line of an error of MLflow, of a driver or of the network, without secrets."""
    first = redact((str(error).strip().splitlines() or ["no reason was given"])[0])
    return f"{type(error).__name__}: {first[:MAX_REASON_CHARACTERS]}"


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
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        with create_engine(uri, poolclass=NullPool).connect():
            return ""
    except ImportError as missing:
        return f"needs the Python package {missing.name!r}, which is not installed"
    except NoSuchModuleError:
        return f"{UNKNOWN_DATABASE}, {uri.partition(':')[0]!r}"
    except SQLAlchemyError as error:
        reason = redact((str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0])
        word = "refuses this user" if "authentication" in reason or "denied" in reason else "does not answer"
        return f"{word} ({reason})"


@contextlib.contextmanager
def translate_registry_errors(tracking: TrackingSettings | None, by_hand: bool = False) -> Iterator[None]:
    """Raise RegistryUnreachable for an error of MLflow, of its driver or its connection inside the block.

    Args:
        tracking: Where the registry is; None if it is not asked.
        by_hand: A person has asked for a change, which is not made then.

    Yields:
        Nothing.

    Raises:
        RegistryUnreachable: The registry does not answer, or refuses a call.
    """
    try:
        yield
    except Exception as error:
        is_of_registry = any(part.__module__.partition(".")[0] in LIBRARIES for part in type(error).__mro__)
        is_of_registry = is_of_registry or isinstance(error, OSError | ImportError)  # a driver that is not installed
        if not tracking or isinstance(error, NightcastError) or not is_of_registry:
            raise
        fault = registry_fault(tracking) or f"refused a call ({describe_call(error)})"
        raise RegistryUnreachable(tracking, fault, by_hand) from error


def with_registry_errors(work: Callable[P, R]) -> Callable[P, R]:
    """Decorate a step with the argument `gate`, whose `tracking` says where the registry is."""

    @functools.wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        gate: Any = kwargs.get("gate") or next((part for part in args if hasattr(part, "tracking")), None)
        with translate_registry_errors(gate.tracking if gate else None):
            return work(*args, **kwargs)

    return call
