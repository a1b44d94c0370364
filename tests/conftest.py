"""Real servers for the whole session, on 127.0.0.1 with data of their own: Prefect, PostgreSQL, S3."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.garbage import without_garbage_search

os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

hypothesis.settings.register_profile("no-deadline", deadline=None)  # a loaded machine exceeds it
hypothesis.settings.load_profile("no-deadline")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    with without_garbage_search():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def unsynced_files() -> Iterator[None]:
    """Let writes not wait for the disk: the kernel keeps what a killed process wrote, and no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def create_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], None]]:
    """Copy the tables of each new registry from the first one: MLflow creates them in seventy migrations.

    Yields what creates them, for the tests of just that.
    """
    from tasks.registry import database

    created, create = tmp_path_factory.mktemp("registry") / "mlflow.db", database._create_tables

    def copy_tables(path: Path) -> None:
        if not created.exists():
            create(path)
            shutil.copyfile(path, path.with_suffix(".copy"))
            shutil.move(path.with_suffix(".copy"), created)
        else:
            shutil.copyfile(created, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_create_tables", copy_tables)
        yield create


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL; `url` is of a user who may do everything, `password` is in it."""

    url: str
    host: str
    port: int
    user: str
    password: str

    def connect(self) -> Any:
        import psycopg

        return psycopg.connect(self.url, autocommit=True)

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of the session; skips where there are no binaries, or no user who may run them."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'nightcast[postgresql]'")
    initdb, server = _binary("initdb"), _binary("postgres")
    if not initdb or not server:
        pytest.skip("no PostgreSQL: initdb and postgres are neither on PATH nor in /usr/lib/postgresql/*/bin")
    runs_as = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        if not (runner := _account("postgres") or _account("nobody")):
            pytest.skip("no PostgreSQL: it refuses to run as root, and there is no user postgres or nobody")
        runs_as = {"user": runner, "group": runner if runner == "postgres" else "nogroup"}
    home = Path(tempfile.mkdtemp(prefix="nightcast-postgres-"))
    user, password = "night", "s3cret-Pass/w@rd"
    (home / "password").write_text(password)
    if runs_as:
        for path in (home, home / "password"):
            shutil.chown(path, runs_as["user"], runs_as["group"])
    try:
        secret = ["--auth=scram-sha-256", f"--pwfile={home / 'password'}"]
        made = [initdb, "-D", str(home / "data"), "-U", user, "-E", "UTF8", "--locale=C", "--no-sync", *secret]
        done = subprocess.run(made, cwd=home, capture_output=True, text=True, check=False, **runs_as)
        if done.returncode:
            pytest.skip(f"no PostgreSQL: initdb failed: {done.stderr.strip().splitlines()[-1:]}")
        port = _free_port()
        listen = ["-h", "127.0.0.1", "-p", str(port), "-k", str(home), "-c", "fsync=off", "-c", "max_connections=40"]
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                [server, "-D", str(home / "data"), *listen], cwd=home, stdout=log, stderr=log, **runs_as
            )
        try:
            url = f"postgresql://{user}:s3cret-Pass%2Fw%40rd@127.0.0.1:{port}/postgres"
            for _ in range(300):
                with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
                    break
                time.sleep(0.1)
            else:
                pytest.skip(f"no PostgreSQL: the server did not answer: {(home / 'log').read_text()[-200:]}")
            yield Postgres(url, "127.0.0.1", port, user, password)
        finally:
            process.send_signal(2)  # SIGINT: it ends every connection and stops
            process.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The endpoint of an S3 server of the session; any key and secret may do everything."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'nightcast[s3]'")
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer
    running = server(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def _binary(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


def _account(name: str) -> str | None:
    import pwd

    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name).pw_name if name != getpass.getuser() else None
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
