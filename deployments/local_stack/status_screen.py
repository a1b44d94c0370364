"""The status screen of `nightcast up`: redrawn in place on a terminal, plain lines where nobody watches."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

KEPT = 6  # sentences that stay on the screen


class StatusScreen:
    """Where things are, how they do, what each pipeline does next."""

    def __init__(self, addresses: dict[str, str], home: Path) -> None:
        self.addresses, self.home = addresses, home
        self._said: list[str] = []
        self._lives = sys.stderr.isatty()
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._states: dict[str, str] = {}

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        if not self._lives:
            self.say("starting: " + " · ".join(f"{name} {url}" for name, url in self.addresses.items()))
            yield
            return
        with self._live:
            yield

    def say(self, sentence: str) -> None:
        """One sentence that stays."""
        self._said = [*self._said, sentence][-KEPT:]
        if not self._lives or not self._live.is_started:
            sys.stderr.write(f"{sentence}\n")
            sys.stderr.flush()

    def show(self, states: dict[str, str], told: dict[str, Any], ready: bool) -> None:
        """Draw what is; without a terminal only a change of a child's state is said."""
        if self._lives:
            self._live.update(self._drawn(states, told, ready), refresh=True)
            return
        changed = {name: state.split(",")[0] for name, state in states.items()}
        for name, state in changed.items():
            if state != "runs" and self._states.get(name) == "runs":
                self.say(f"{name} {state}")
        self._states = changed

    def _drawn(self, states: dict[str, str], told: dict[str, Any], ready: bool) -> Group:
        parts = Table.grid(padding=(0, 2))
        for name, state in states.items():
            style = "green" if state == "runs" else "yellow"
            where = self.addresses.get("prefect" if name == "server" else name, "serves every schedule")
            parts.add_row(Text("●", style=style), name, where, state)
        nights = Table(box=None, pad_edge=False, header_style="dim")
        for head in ("pipeline", "next night", "zone", "last run"):
            nights.add_column(head)
        for one in told.get("pipelines", ()):
            nights.add_row(one["name"], one["next"], one["zone"], one["last"])
        for name, why in told.get("broken", {}).items():
            nights.add_row(name, Text("not served", style="red"), "", why.splitlines()[0][:90])
        first = next((one["name"] for one in told.get("pipelines", ())), "")
        hint = (
            f"First forecast: {self.addresses['prefect']}/deployments, nightly/{first}, Run." if ready else "Starting …"
        )
        lines = [Text(f"  {sentence}", style="dim") for sentence in self._said]
        bottom = Text(f"Logs: {self.home}/up-*.log · Ctrl-C stops everything", style="dim")
        return Group(Text("Nightcast", style="bold"), parts, Text(), nights, Text(), Text(hint), *lines, bottom)
