"""Twelve failures as the person on call meets them: message, exit code, page, doctor, and the way out that works.

A busy port and a dead worker are in tests/deployments/local_stack, two stores in tests/deployments/test_home_of_store.
"""

import datetime
import errno
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from tests.faults.failpoints import fail_at
from tests.faults.harness import NIGHTS, World
from tests.faults.test_faults_of_steps import raising, replace_work
from tests.faults.test_faults_of_the_store import DEAD

NIGHT = NIGHTS[2]
FAST = ("missing file", "expired contract")
CONTRACT = {
    "apiVersion": "v3.1.0", "kind": "DataContract", "id": "ports", "version": "1.0.0", "status": "active",
    "schema": [{"name": "ports", "properties": [
        {"name": "port", "logicalType": "string"},
        {"name": "hour_utc", "logicalType": "timestamp"},
        {"name": "late", "logicalType": "number"},
    ]}],
    "slaProperties": [{"property": "endOfLife", "value": "2024-02-09"}],
}  # fmt: skip


def restore(world: World) -> None:
    for name in ("ports.parquet", "ports.yaml"):
        shutil.copy(world.saved / name, world.folder / name)


@dataclass(frozen=True)
class Staged:
    """A failure of the third night: what is done before, and what is said in the message, on the page, by doctor."""

    name: str
    code: int
    message: str
    page: str = ""
    """The headline of the page; empty if the night publishes, or has no page."""
    doctor: str = ""
    prepare: Callable[[World], None] = lambda _world: None
    undo: Callable[[World], None] = restore
    inject: Callable[[World], Callable[[], None]] | None = None
    as_of: str = NIGHT


def edit_spec(world: World, **changes: object) -> None:
    world.spec.write_text(yaml.safe_dump(yaml.safe_load(world.spec.read_text()) | changes))


def remove_table(world: World) -> None:
    (world.folder / "ports.parquet").rename(world.folder / "port.parquet")


def move_folder(world: World) -> None:
    (world.folder / "delivery-2").mkdir()
    edit_spec(world, source={"kind": "parquet", "path": "delivery/ports.parquet"})


def expire_contract(world: World) -> None:
    (world.folder / "contract.yaml").write_text(yaml.safe_dump(CONTRACT))
    edit_spec(world, contract=str(world.folder / "contract.yaml"))


def use_database(world: World) -> None:
    edit_spec(world, source={"kind": "sql", "url": "postgresql://me:hunter2@127.0.0.1:9/shop", "table": "ports"})


def hold_lease(world: World) -> None:
    now = datetime.datetime.now(datetime.UTC)
    folder = world.store / "leases/pipeline=ports"
    folder.mkdir(parents=True, exist_ok=True)
    record = DEAD | {"taken": now.isoformat(), "expires": (now + datetime.timedelta(seconds=120)).isoformat()}
    (folder / "000000000900.json").write_text(json.dumps(record))


def release_lease(world: World) -> None:
    (world.store / "leases/pipeline=ports/000000000900.json").unlink()


def refuse_writes(world: World) -> Callable[[], None]:
    return fail_at(40, world.store, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


FAILURES = (
    Staged("missing file", 2, "Looked for {folder}/ports.parquet; the nearest name is {folder}/port.parquet",
           "The source does not exist", "The source does not exist", remove_table),
    Staged("moved folder", 2, "the nearest name is {folder}/delivery-2", "The source does not exist",
           "The source does not exist", move_folder),
    Staged("changed column", 3, "did you mean 'late_min'?", "The columns of the source are not those of the pipeline",
           "The columns of the source are not those",
           lambda world: world.write_table(world.read_table().rename(columns={"late": "late_min"}))),
    Staged("expired contract", 2, "reached its end of life on 2024-02-09", "The contract of the source has expired",
           "The contract of the source has expired", expire_contract),
    Staged("store full", 1, "nightcast gc lists what old nights can give back", "", "died during the run",
           inject=refuse_writes),
    Staged("wrong password", 1, "postgresql://…@127.0.0.1:9/shop (ports) cannot be reached",
           "The source cannot be reached", "The source cannot be reached", use_database),
    Staged("future as-of", 2, "is in the future: the clock of this machine says", as_of="2124-02-10"),
    Staged("busy lease", 1, "is locked by another run: nightly ports (process 1 on elsewhere)", "",
           "running: nightly ports (process 1 on elsewhere)", hold_lease, release_lease),
    Staged("out of memory", 1, "ran out of memory in step 'forecast'", "The night ran out of memory",
           "The night ran out of memory", inject=replace_work("forecast", raising(MemoryError()))),
)  # fmt: skip


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(failure, id=failure.name, marks=() if failure.name in FAST else (pytest.mark.slow,))
        for failure in FAILURES
    ],
)
def test_failure_is_named_everywhere_and_its_way_out_works(failure: Staged, world: World) -> None:
    failure.prepare(world)
    inject = failure.inject(world) if failure.inject else None
    environment = {"NIGHTCAST_LEASE_WAIT": "0.1"}
    ended = world.night(failure.as_of, inject=inject, environment=environment)
    message = failure.message.format(folder=world.folder)
    assert (ended.code, message in ended.output) == (failure.code, True), ended.output
    assert "Traceback" not in ended.output
    assert "hunter2" not in ended.output
    assert headlines(world) == ([f"{failure.page}: nothing new was published."] if failure.page else [])
    doctor = world.run("doctor", str(world.spec), "--as-of", f"{NIGHT}T01:00Z", "--max-age", "999d")
    assert failure.doctor in doctor.output
    failed = [line for line in doctor.output.splitlines() if line.startswith("✗")]
    assert doctor.output.splitlines()[: 2 * len(failed) : 2] == failed, "what failed stands first"
    if failure.as_of == NIGHT:
        failure.undo(world)
        assert world.night(NIGHT).code == 0


def headlines(world: World) -> list[str]:
    pages = world.store.glob("reports/*/refused-nightly-2024-02-10*/index.html")
    return [re.findall(r"<h1>(.*?)</h1>", page.read_text())[0] for page in pages]


@pytest.fixture
def refusing() -> Iterator[Callable[[int], str]]:
    """Start a server that answers every request with one status; returns its URL."""
    running = list[ThreadingHTTPServer]()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None: ...

    def start(status: int) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.status = status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "fault"), [(401, "refuses this user (HTTP 401)"), (503, "answers HTTP 503")])
def test_registry_that_refuses_is_named_before_and_by_the_night(
    world: World, refusing: Callable[[int], str], status: int, fault: str
) -> None:
    environment = {"NIGHTCAST_MLFLOW_URI": refusing(status)}
    checked = world.run("check", str(world.spec), "--as-of", NIGHT, environment=environment)
    assert (checked.code, f"{fault}: no model will be promoted" in checked.output) == (0, True)
    ended = world.night(NIGHT, environment=environment)
    assert (ended.code, f"{fault}. No model was registered or promoted" in ended.output) == (0, True)
    assert "HTTPConnectionPool" not in ended.last_line
    (page,) = (page for page in world.store.glob("reports/*/*/index.html") if fault in page.read_text())
    assert "<h1>48 forecasts for 2 series" in page.read_text()
    doctor = world.run("doctor", str(world.spec), "--as-of", f"{NIGHT}T01:00Z", environment=environment)
    assert (doctor.code, f"{fault}; no model can be promoted" in doctor.output) == (1, True)
    assert world.run("doctor", str(world.spec), "--as-of", f"{NIGHT}T01:00Z").code == 0


@pytest.mark.slow
def test_prefect_that_answers_503_does_not_stop_the_night(world: World, refusing: Callable[[int], str]) -> None:
    environment = {"PREFECT_API_URL": f"{refusing(503)}/api"}
    ended = world.run("nightly", str(world.spec), "--as-of", NIGHT, environment=environment)
    assert ended.code == 0
    assert "is not ready (HTTP 503): this run continues without it and is not in its UI" in ended.output
    doctor = world.run("doctor", str(world.spec), "--as-of", f"{NIGHT}T01:00Z", environment=environment)
    assert (doctor.code, "answers 503: its database does not answer" in doctor.output) == (1, True)
