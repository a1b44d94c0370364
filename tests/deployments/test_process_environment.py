"""Which Prefect server a command uses, and who else may use it."""

import os
import sys

import pytest

from deployments import process_environment

NAMES = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
UP = {"prefect": "http://127.0.0.1:4200"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "")  # restored after the test
        del os.environ[name]


@pytest.fixture
def configured(monkeypatch, tmp_path, restored_log):
    """The environment after `configure` for a run, which changes a copy."""

    def configure():
        monkeypatch.setattr(os, "environ", {**os.environ, "NIGHTCAST_STORE": str(tmp_path / "store")})
        process_environment.configure(run=True)
        return os.environ

    return configure


def test_temporary_server_has_a_password_of_this_process(configured, monkeypatch):
    monkeypatch.delitem(sys.modules, "prefect", raising=False)  # as in the process of a command
    environment = configured()
    assert "PREFECT_API_URL" not in environment
    user, _, password = environment["PREFECT_SERVER_API_AUTH_STRING"].partition(":")
    assert (user, len(password)) == ("nightcast", 32)
    assert environment["PREFECT_API_AUTH_STRING"] == environment["PREFECT_SERVER_API_AUTH_STRING"]


def test_password_is_not_set_after_prefect_has_read_its_settings(configured, monkeypatch):
    monkeypatch.setitem(sys.modules, "prefect", sys)
    assert "PREFECT_SERVER_API_AUTH_STRING" not in configured()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (None, "nightcast:key"),
        ("http://127.0.0.1:4200/api", "nightcast:key"),
        ("http://127.0.0.1:4200/api/", "nightcast:key"),
        ("http://127.0.0.1:42001/api", None),
        ("https://prefect.example/api", None),
    ],
)
def test_key_of_up_is_given_to_its_server_only(monkeypatch, url, key):
    monkeypatch.setattr(process_environment, "running_instance", lambda _: UP)
    monkeypatch.setattr(process_environment, "read_api_key", lambda _: "nightcast:key")
    if url:
        monkeypatch.setenv("PREFECT_API_URL", url)
    process_environment._use_server_of_up()
    assert os.environ["PREFECT_API_URL"] == (url or "http://127.0.0.1:4200/api")
    assert os.environ.get("PREFECT_API_AUTH_STRING") == key
