"""The status screen of `nightcast up`: redrawn in place on a terminal, plain lines elsewhere."""

import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

MAX_MESSAGES = 8
MAX_LISTED_PIPELINES = 8


class StatusScreen:
    """Shows the addresses, the state of each process, and the next and last night of each pipeline."""

    def __init__(self, addresses: dict[str, str], home: Path) -> None:
        self.addresses, self.home = addresses, home
        self._messages: list[str] = []
        self._is_terminal = sys.stderr.isatty()
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._states: dict[str, str] = {}

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the screen while the context is open."""
        if not self._is_terminal:
            self.add_message("starting: " + " · ".join(f"{name} {url}" for name, url in self.addresses.items()))
            yield
            return
        with self._live:
            yield

    def add_message(self, message: str) -> None:
        """Add a message that stays on the screen; without a screen, print it on stderr."""
        self._messages = [*self._messages, message][-MAX_MESSAGES:]
        if not self._is_terminal or not self._live.is_started:
            sys.stderr.write(f"{message}\n")
            sys.stderr.flush()

    def update(self, states: dict[str, str], status: dict[str, Any], ready: bool) -> None:
        """Redraw the screen; without a terminal, print only processes that stopped running.

        Args:
            states: state of each process.
            status: what the runner last reported: pipelines, and those that are broken.
            ready: whether everything is served.
        """
        if self._is_terminal:
            self._live.update(self._render(states, status, ready), refresh=True)
            return
        current = {name: state.split(",")[0] for name, state in states.items()}
        for name, state in current.items():
            if state != "runs" and self._states.get(name) == "runs":
                self.add_message(f"{name} {state}")
        self._states = current

    def _render(self, states: dict[str, str], status: dict[str, Any], ready: bool) -> Group:
        processes = Table.grid(padding=(0, 2))
        for name, state in states.items():
            style = "green" if state == "runs" else "yellow"
            address = self.addresses.get("prefect" if name == "server" else name, "serves every schedule")
            processes.add_row(Text("●", style=style), name, address, state)
        pipelines = status.get("pipelines", ())
        nights = Table(box=None, pad_edge=False, header_style="dim")
        for header in ("pipeline", "next night", "zone", "last run"):
            nights.add_column(header)
        for pipeline in pipelines:
            nights.add_row(pipeline["name"], pipeline["next"], pipeline["zone"], pipeline["last"])
        for name, reason in status.get("broken", {}).items():
            nights.add_row(name, Text("not served", style="red"), "", reason.splitlines()[0][:90])
        first = next((pipeline["name"] for pipeline in pipelines), "")
        hint = (
            f"First forecast: {self.addresses['prefect']}/deployments, nightly/{first}, Run." if ready else "Starting …"
        )
        messages = [Text(f"  {message}", style="dim") for message in self._messages]
        footer = Text(f"Logs: {self.home}/up-*.log · Ctrl-C stops everything", style="dim")
        return Group(Text("Nightcast", style="bold"), processes, Text(), nights, Text(), Text(hint), *messages, footer)


def describe_deployments(names: Iterable[str], url: str) -> list[str]:
    """Return what can be run in the Prefect UI, pipelines with the same flows in one sentence.

    Args:
        names: Deployments as <flow>/<pipeline>.
        url: The address of the Prefect UI.

    Returns:
        One sentence for each set of flows.
    """
    flows = defaultdict[str, list[str]](list)
    for name in sorted(names):
        flow, _, pipeline = name.partition("/")
        flows[pipeline].append(flow)
    pipelines = defaultdict[str, list[str]](list)
    for pipeline, served in flows.items():
        pipelines[", ".join(served)].append(pipeline)
    sentences = []
    for served_flows, served_pipelines in pipelines.items():
        more = len(served_pipelines) - MAX_LISTED_PIPELINES
        listed = ", ".join(served_pipelines[:MAX_LISTED_PIPELINES]) + (f" and {more} more" if more > 0 else "")
        sentences.append(f"run in the UI, {url}/deployments: {served_flows} of {listed}")
    return sentences
