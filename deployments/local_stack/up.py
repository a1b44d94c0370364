"""`nightcast up`: run the Prefect server, the MLflow UI and the runner of all schedules until Ctrl-C or SIGTERM."""

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
from deployments.home_of_store import store_name
from deployments.instance_lock import single_instance
from deployments.local_stack.status_screen import StatusScreen, describe_deployments
from deployments.local_stack.supervisor import SupervisedProcess, owner_of_port, stop
from deployments.private_home import api_key, close_home, key_path
from deployments.process_environment import child_environment, variable
from deployments.server.prefect_server_settings import HOST, server_environment

POLL_INTERVAL_S = 0.5
PROBE_TIMEOUT_S = 2.0
EXPERIMENTS = "/#/experiments?workflowType=machine_learning"  # MLflow's own start page is about agents and traces


class PortBusy(NightcastError):
    """Another process listens on a port that `nightcast up` needs."""


class Ports(NamedTuple):
    """Ports of the two UIs; MLflow's is None if its UI is not started here."""

    prefect: int
    mlflow: int | None


class LocalStack:
    """The child processes of one `up`, and the status that its runner reports."""

    def __init__(self, ports: Ports, home: Path) -> None:
        self.ports, self.home, self.begun = ports, home, time.monotonic()
        self.status: dict[str, Any] = {}
        self.environment = child_environment(
            **server_environment(ports.prefect),
            NIGHTCAST_STORE=_absolute_store(variable("NIGHTCAST_STORE") or "store"),
            **self._link_targets(ports),
            PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="INFO",
            PREFECT_LOGGING_EXTRA_LOGGERS="nightcast",  # shows Nightcast's log of a run in the UI
        )
        self.server = self._child("server", "prefect_server", ports.prefect)
        self.mlflow = self._child("mlflow", "mlflow_ui", ports.mlflow) if ports.mlflow else None
        self.runner = SupervisedProcess("runner", _module_command("runner"), home / "up-runner.log", self.on_line)

    @staticmethod
    def _link_targets(ports: Ports) -> dict[str, str]:
        """Return the URLs to which the artifacts of a run link."""
        links = {"NIGHTCAST_REPORTS_URL": f"http://{HOST}:{ports.prefect}/reports"}
        return links | ({"NIGHTCAST_MLFLOW_UI": f"http://{HOST}:{ports.mlflow}"} if ports.mlflow else {})

    @property
    def children(self) -> list[SupervisedProcess]:
        """The child processes, in order of start."""
        return [child for child in (self.server, self.mlflow, self.runner) if child]

    @property
    def addresses(self) -> dict[str, str]:
        """URL of each UI by name; passwords in it are hidden."""
        addresses = {"prefect": f"http://{HOST}:{self.ports.prefect}"}
        tracking_uri = variable("NIGHTCAST_MLFLOW_URI")
        if self.ports.mlflow:
            addresses["mlflow"] = f"http://{HOST}:{self.ports.mlflow}"
        elif tracking_uri.startswith("http"):
            addresses["mlflow"] = redact(tracking_uri)
        return addresses

    @property
    def ready(self) -> bool:
        """Whether the UIs that are started here answer and the server has the deployments."""
        local_urls = [f"http://{HOST}:{port}" for port in filter(None, self.ports)]
        return bool(self.status.get("served")) and all(_answers(url) for url in local_urls)

    def supervise(self) -> list[str]:
        """Start and restart child processes. Returns one message per child that has died."""
        died = [child for child in self.children if child.supervise(self.environment)]
        for child in (self.server, self.runner):  # the runner imports while the server starts, then waits for it
            if child.process is None:
                child.start(self.environment)
        if self.mlflow and self.mlflow.process is None and _answers(self.addresses["prefect"]):
            self.mlflow.start(self.environment)  # later than the others: starting all at once is slower on two cores
        return [f"{child.name} {child.state}; see {child.log}" for child in died]

    def _child(self, name: str, module: str, port: int | None) -> SupervisedProcess:
        return SupervisedProcess(name, _module_command(module, str(port)), self.home / f"up-{name}.log")

    def on_line(self, line: str) -> None:
        """Store the status that the runner prints as one line of JSON."""
        with contextlib.suppress(json.JSONDecodeError):
            self.status = json.loads(line)


def up(ports: Ports, as_json: bool) -> None:
    """Run the local stack until SIGINT or SIGTERM.

    Args:
        ports: ports of the two UIs.
        as_json: print one JSON object on stdout when everything is ready.

    Raises:
        HomeNotPrivate: other users can read Prefect's home; nothing was started.
        AlreadyUp: another `up` runs on this store; nothing was started.
        PortBusy: a port is in use; nothing was started.
    """
    home = Path(variable("PREFECT_HOME"))
    stack, stopping = LocalStack(ports, home), threading.Event()
    screen = StatusScreen(stack.addresses, home)
    close_home(home)
    with single_instance(home, {**stack.addresses, "store": store_name(stack.environment["NIGHTCAST_STORE"])}):
        key = api_key(home, variable("PREFECT_SERVER_API_AUTH_STRING"))
        stack.environment |= {"PREFECT_SERVER_API_AUTH_STRING": key, "PREFECT_API_AUTH_STRING": key}
        _require_free_ports(ports)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        try:
            with screen.shown():
                _watch(stack, screen, stopping, as_json)
        finally:
            stop(stack.children)
    screen.add_message("stopped; to finish a night that was running, run it again")


def _watch(stack: LocalStack, screen: StatusScreen, stopping: threading.Event, as_json: bool) -> None:
    was_ready = False
    while not stopping.wait(POLL_INTERVAL_S):
        for message in stack.supervise():
            screen.add_message(message)
        states = {child.name: child.state for child in stack.children}
        if not was_ready and stack.ready:
            was_ready = True
            seconds = time.monotonic() - stack.begun
            screen.add_message(f"ready after {seconds:.0f} s: serving {stack.status['served']} deployments")
            for sentence in describe_deployments(stack.status["deployments"], stack.addresses["prefect"]):
                screen.add_message(sentence)
            for name, reason in stack.status.get("broken", {}).items():
                screen.add_message(f"not served: {name}: {reason.splitlines()[0]}")
            for name in stack.status.get("not_served", []):
                screen.add_message(f"not served: {name}: no file defines it; prefect deployment delete {name}")
            screen.add_message(f"the Prefect UI asks once for the key, which is the line in {key_path(stack.home)}")
            if stack.ports.mlflow:
                screen.add_message(f"experiments in MLflow: {stack.addresses['mlflow']}{EXPERIMENTS}")
            if as_json:
                facts = {"ready": True, "seconds": round(seconds, 1), **stack.addresses, **stack.status}
                facts["key_file"] = str(key_path(stack.home))
                sys.stdout.write(json.dumps(facts) + "\n")
                sys.stdout.flush()
        screen.update(states, stack.status, was_ready)


def _require_free_ports(ports: Ports) -> None:
    """Raise PortBusy with the process that listens on a port, and the command with ports that are free."""
    busy = [port for port in filter(None, ports) if not _is_free(port)]
    if not busy:
        return
    owner = owner_of_port(busy[0]) or "another process"
    chosen = {"--port": _next_free(ports.prefect)}
    chosen |= {"--mlflow-port": _next_free(ports.mlflow, chosen["--port"])} if ports.mlflow else {}
    command = " ".join(["nightcast up", *(f"{option} {port}" for option, port in chosen.items())])
    raise PortBusy(f"port {busy[0]} is used by {owner}. Stop that process, or choose free ports: {command}")


def _next_free(port: int, taken: int = 0) -> int:
    """Return the first free port from `port` on; `port` itself if none of the next hundred is free."""
    candidates = range(port, min(port + 100, 2**16))
    return next((number for number in candidates if number != taken and _is_free(number)), port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PROBE_TIMEOUT_S, follow_redirects=True).is_success
    except httpx.HTTPError:
        return False


def _module_command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"deployments.server.{name}", *arguments]


def _absolute_store(store: str) -> str:
    return store if "://" in store else str(Path(store).resolve())
