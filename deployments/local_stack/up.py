"""`nightcast up`: Prefect's server and UI, MLflow's UI and a runner with every schedule, until Ctrl-C or SIGTERM."""

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from data_contracts.errors import NightcastError, redact
from deployments.instance_lock import single_instance
from deployments.local_stack.status_screen import StatusScreen
from deployments.local_stack.supervisor import SupervisedProcess, owner_of_port, stop
from deployments.process_environment import environment, variable
from deployments.server.prefect_server_settings import HOST, settings_of

POLL_INTERVAL_S = 0.5  # seconds between two looks at the children


class PortBusy(NightcastError):
    """Somebody else listens there."""


class Ports(NamedTuple):
    """Where the two UIs are; MLflow's is None where it is not started here."""

    prefect: int
    mlflow: int | None


class LocalStack:
    """The children of one `up`, and what is known of them."""

    def __init__(self, ports: Ports, home: Path) -> None:
        self.ports, self.home, self.begun = ports, home, time.monotonic()
        self.told: dict[str, Any] = {}
        self.environment = environment(
            **settings_of(ports.prefect),
            NIGHTCAST_STORE=_absolute(variable("NIGHTCAST_STORE") or "store"),
            **self._links(ports),
            PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="INFO",
            PREFECT_LOGGING_EXTRA_LOGGERS="nightcast",  # its lines stand beside a run in the UI
        )
        self.server = self._child("server", "prefect_server", ports.prefect)
        self.mlflow = self._child("mlflow", "mlflow_ui", ports.mlflow) if ports.mlflow else None
        self.runner = SupervisedProcess("runner", _module("runner"), home / "up-runner.log", self.on_line)

    @staticmethod
    def _links(ports: Ports) -> dict[str, str]:
        """Where the artifacts of a run point to."""
        links = {"NIGHTCAST_REPORTS_URL": f"http://{HOST}:{ports.prefect}/reports"}
        return links | ({"NIGHTCAST_MLFLOW_UI": f"http://{HOST}:{ports.mlflow}"} if ports.mlflow else {})

    @property
    def children(self) -> list[SupervisedProcess]:
        return [child for child in (self.server, self.mlflow, self.runner) if child]

    @property
    def addresses(self) -> dict[str, str]:
        """Name and address of each UI."""
        mine = {"prefect": f"http://{HOST}:{self.ports.prefect}"}
        there = variable("NIGHTCAST_MLFLOW_URI")
        if self.ports.mlflow:
            mine["mlflow"] = f"http://{HOST}:{self.ports.mlflow}"
        elif there.startswith("http"):
            mine["mlflow"] = redact(there)
        return mine

    @property
    def ready(self) -> bool:
        """Whether the UIs that are started here answer, and the server knows the deployments."""
        ours = [f"http://{HOST}:{port}" for port in filter(None, self.ports)]
        return bool(self.told.get("served")) and all(_answers(url) for url in ours)

    def supervise(self) -> list[str]:
        """Start what is to be started; a sentence for each child that has died."""
        died = [child for child in self.children if child.supervise(self.environment)]
        for child in (self.server, self.runner):  # the runner imports while the server starts, and waits for it
            if child.process is None:
                child.start(self.environment)
        if self.mlflow and self.mlflow.process is None and _answers(self.addresses["prefect"]):
            self.mlflow.start(self.environment)  # two cores have enough to do before
        return [f"{child.name} {child.state}; see {child.log}" for child in died]

    def _child(self, name: str, module: str, port: int | None) -> SupervisedProcess:
        return SupervisedProcess(name, _module(module, str(port)), self.home / f"up-{name}.log")

    def on_line(self, line: str) -> None:
        with contextlib.suppress(json.JSONDecodeError):
            self.told = json.loads(line)


def up(ports: Ports, as_json: bool) -> None:
    """Stay until told to stop. Raises AlreadyUp, PortBusy before anything is started."""
    home = Path(variable("PREFECT_HOME"))
    stack, stopping = LocalStack(ports, home), threading.Event()
    screen = StatusScreen(stack.addresses, home)
    with single_instance(home, stack.addresses):
        for port in filter(None, ports):
            _free(port)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        try:
            with screen.shown():
                _watch(stack, screen, stopping, as_json)
        finally:
            stop(stack.children)
    screen.say("stopped; what was under way is finished by running that night again")


def _watch(stack: LocalStack, screen: StatusScreen, stopping: threading.Event, as_json: bool) -> None:
    was_ready = False
    while not stopping.wait(POLL_INTERVAL_S):
        for sentence in stack.supervise():
            screen.say(sentence)
        states = {child.name: child.state for child in stack.children}
        if not was_ready and stack.ready:
            was_ready = True
            seconds = time.monotonic() - stack.begun
            screen.say(f"ready after {seconds:.0f} s: {stack.told['served']} deployments are served")
            if as_json:
                facts = {"ready": True, "seconds": round(seconds, 1), **stack.addresses, **stack.told}
                sys.stdout.write(json.dumps(facts) + "\n")
                sys.stdout.flush()
        screen.show(states, stack.told, was_ready)


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as busy:
            who = owner_of_port(port) or "another process"
            raise PortBusy(
                f"port {port} is used by {who}; stop it, or take others: nightcast up --port 4201 --mlflow-port 5001."
            ) from busy


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, follow_redirects=True).is_success
    except httpx.HTTPError:
        return False


def _module(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"deployments.server.{name}", *words]


def _absolute(store: str) -> str:
    return store if "://" in store else str(Path(store).resolve())
