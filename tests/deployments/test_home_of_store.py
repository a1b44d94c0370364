"""Two stores in one folder have a Prefect home each, and `up` of one is never taken for that of the other."""

import os
from pathlib import Path

import pytest

from deployments import process_environment
from deployments.doctor.server_checks import without_server
from deployments.home_of_store import choose_home, claim_home, store_name
from deployments.instance_lock import single_instance
from deployments.private_home import api_key

URL = "http://127.0.0.1:4200"
NAMES = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_HOME")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # restored after the test
        del os.environ[name]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, restored_log: None) -> object:
    """Return the environment of a command for one store, which is a copy."""

    def call(store: str, **options: bool) -> dict[str, str]:
        given = {name: value for name, value in os.environ.items() if name not in NAMES}
        monkeypatch.setattr(os, "environ", {**given, "NIGHTCAST_STORE": str(tmp_path / store)})
        process_environment.configure(**options)
        return dict(os.environ)

    return call


def test_second_store_of_a_folder_has_a_home_of_its_own(configure: object, tmp_path: Path) -> None:
    assert configure("store", run=True)["PREFECT_HOME"] == str(tmp_path / ".prefect")
    assert configure("other", run=True)["PREFECT_HOME"] == str(tmp_path / ".prefect-other")
    assert configure("store", run=True)["PREFECT_HOME"] == str(tmp_path / ".prefect")
    assert (tmp_path / ".prefect/store").read_text() == "store\n"
    assert (tmp_path / ".prefect-other/store").read_text() == "other\n"


def test_home_of_an_earlier_release_stays_with_its_store(configure: object, tmp_path: Path) -> None:
    (tmp_path / ".prefect").mkdir()
    assert configure("nights", run=True)["PREFECT_HOME"] == str(tmp_path / ".prefect")
    assert configure("store", run=True)["PREFECT_HOME"] == str(tmp_path / ".prefect-store")


def test_up_of_another_store_is_not_used_and_is_named_by_doctor(configure: object, tmp_path: Path) -> None:
    home = Path(configure("store")["PREFECT_HOME"])
    key = api_key(home)
    with single_instance(home, {"prefect": URL, "store": "store"}):
        used = configure("store", read_only=True)
        assert (used["PREFECT_API_URL"], used["PREFECT_API_AUTH_STRING"]) == (f"{URL}/api", key)
        other = configure("other", read_only=True)
        assert "PREFECT_API_URL" not in other
        assert "PREFECT_API_AUTH_STRING" not in other
        message = without_server().message
        assert message.endswith(f"does not run on this store; it runs on the store store ({URL})")


def test_up_in_a_shared_home_is_used_by_its_own_store_only(
    configure: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process_environment, "running_instance", lambda _: {"prefect": URL, "store": "store"})
    assert configure("store", read_only=True)["PREFECT_API_URL"] == f"{URL}/api"
    assert "PREFECT_API_URL" not in configure("other", read_only=True)


def test_faster_store_keeps_the_home(tmp_path: Path) -> None:
    assert claim_home(tmp_path, "first")
    assert not claim_home(tmp_path, "second")
    assert claim_home(tmp_path, "first")


@pytest.mark.parametrize(
    ("store", "name", "home"),
    [
        ("/data/nights/", "nights", ".prefect-nights"),
        ("/data/my nights", "my nights", ".prefect-my-nights"),
        ("s3://bucket/nights", "s3://bucket/nights", ".prefect-nights-518d3377"),
        ("s3://me:secret@bucket/nights", "s3://…@bucket/nights", ".prefect-nights-"),
    ],
)
def test_name_and_home_of_a_store(tmp_path: Path, store: str, name: str, home: str) -> None:
    (tmp_path / ".prefect").mkdir()
    claim_home(tmp_path / ".prefect", "another")
    assert store_name(store) == name
    assert choose_home(tmp_path, name).name.startswith(home)
    assert "secret" not in choose_home(tmp_path, name).name
