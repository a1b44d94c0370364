"""A registry that does not answer, or refuses, is reported in one sentence, before a night and during one."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.registry.mlflow_registry import TrackingSettings
from tasks.registry.reachability import (
    RegistryUnreachable,
    describe_fault,
    explain,
    registry_fault,
    translate_registry_errors,
    with_registry_errors,
)

RIGHT = "Basic bWU6cmlnaHQ="  # me:right


class Registry(BaseHTTPRequestHandler):
    """Wants the password `right` of `me`; below /busy it answers 503."""

    def do_GET(self) -> None:
        status = 503 if self.path.startswith("/busy") else 200 if self.headers["Authorization"] == RIGHT else 401
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("http://me:right@{address}", ""),
        ("http://me:wrong@{address}", "refuses this user (HTTP 401)"),
        ("http://{address}", "refuses this user (HTTP 401)"),
        ("http://{address}/busy", "answers HTTP 503"),
        ("http://127.0.0.1:9", "does not answer"),
    ],
)
def test_fault_of_a_server(address: str, uri: str, fault: str) -> None:
    assert registry_fault(TrackingSettings(uri=uri.format(address=address))) == fault


def test_password_of_the_environment_is_used(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "right")
    assert registry_fault(TrackingSettings(uri=f"http://{address}")) == ""


def test_database_that_is_not_one_is_a_fault_and_a_missing_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    tracking = TrackingSettings(uri=f"sqlite:///{file}")
    assert registry_fault(tracking) == ""
    file.write_text("text", encoding="utf-8")
    assert registry_fault(tracking) == "is not a SQLite database"


def test_sentence_before_a_night_names_the_address_without_its_password(address: str) -> None:
    text = describe_fault(TrackingSettings(uri=f"http://me:wrong-hunter2@{address}"))
    assert text.startswith(
        f"the registry at http://…@{address} refuses this user (HTTP 401): no model will be promoted."
    )
    assert "MLFLOW_TRACKING_USERNAME" in text
    assert "hunter2" not in text


def test_error_of_mlflow_in_a_step_becomes_one_sentence() -> None:
    from mlflow.exceptions import MlflowException

    @with_registry_errors
    def step(gate: object) -> None:
        raise MlflowException("API request to http://… failed with HTTPConnectionPool(…)")

    with pytest.raises(RegistryUnreachable) as refused:
        step(SimpleNamespace(tracking=TrackingSettings(uri="http://127.0.0.1:9")))
    assert str(refused.value) == (
        "the registry at http://127.0.0.1:9 does not answer. No model was registered or promoted; "
        "forecasts use the models of the store. Start it, or correct NIGHTCAST_MLFLOW_URI: the next night registers "
        "its models"
    )


@pytest.mark.parametrize(
    ("uri", "fault", "advice"),
    [
        (
            "mysql+absent://me:hunter2@127.0.0.1:9/db",
            "names a kind of database that is not known, 'mysql+absent'",
            "Correct NIGHTCAST_MLFLOW_URI",
        ),
        (
            "mysql+oursql://me:hunter2@127.0.0.1:9/db",
            "names a kind of database that is not known, 'mysql+oursql'",
            "Correct NIGHTCAST_MLFLOW_URI",
        ),
        (
            "oracle+cx_oracle://me:hunter2@127.0.0.1:9/db",
            "needs the Python package 'cx_Oracle', which is not installed",
            "Install it, or set an address whose driver is installed (nightcast[postgresql] has postgresql+psycopg://)",
        ),
    ],
)
def test_error_of_a_driver_is_explained_without_the_password(uri: str, fault: str, advice: str) -> None:
    tracking = TrackingSettings(uri=uri)
    shown = uri.replace("me:hunter2", "…")
    error = ModuleNotFoundError("No module named 'x'", name="x")
    assert explain(tracking, error) == f"the registry at {shown} {fault}. {advice}."
    with pytest.raises(RegistryUnreachable) as refused, translate_registry_errors(tracking, by_hand=True):
        raise error
    assert str(refused.value) == (
        f"the registry at {shown} {fault}. Nothing was changed. {advice}, then run the same command again."
    )


def test_call_that_a_reachable_registry_refuses_is_named(address: str) -> None:
    from mlflow.exceptions import MlflowException

    tracking = TrackingSettings(uri=f"http://me:right@{address}")
    error = MlflowException("no such thing at http://me:hunter2@h\nand more")
    assert explain(tracking, error) == (
        f"the registry at http://…@{address} refused a call (MlflowException: no such thing at http://…@h). Start it, "
        "or correct NIGHTCAST_MLFLOW_URI."
    )


def test_error_of_the_step_itself_stays() -> None:
    @with_registry_errors
    def step(gate: object) -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        step(SimpleNamespace(tracking=TrackingSettings(uri="http://127.0.0.1:9")))
