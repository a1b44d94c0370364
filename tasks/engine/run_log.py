"""Log of a run: one line per step, one entry per step for the manifest, and a progress bar for long steps."""

import contextlib
import contextvars
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.engine.progress import progress_artifact

log = logging.getLogger("nightcast")
MARKS = {"ran": "✓", "cached": "=", "failed": "✗"}


class Entry(Spec):
    """How one step of a run ended."""

    step: str
    outcome: Literal["ran", "cached", "failed"]
    seconds: float
    text: str = ""


_entered: list[str] = []  # the steps that are running now, innermost last; signals arrive in any context
_run: dict[str, str | None] = {"pipeline": None, "run_id": None}  # of this process; a backfill changes it every night
_relays: list[Callable[[str, Any], None]] = []  # of this process, if it runs a single step for another one
_held: contextvars.ContextVar[list[tuple[int, tuple[Any, ...]]] | None] = contextvars.ContextVar("held", default=None)
_entries: contextvars.ContextVar[list[Entry] | None] = contextvars.ContextVar("entries", default=None)


@contextlib.contextmanager
def record_entries() -> Iterator[list[Entry]]:
    """Collect the entries of all steps that run in this context."""
    entries: list[Entry] = []
    token = _entries.set(entries)
    try:
        yield entries
    finally:
        _entries.reset(token)


@contextlib.contextmanager
def running_step(step: str) -> Iterator[None]:
    """Name the step that runs now. A step that a signal interrupts stays named, since the process is about to end."""
    _entered.append(step)
    try:
        yield
    except Exception:
        _entered.remove(step)
        raise
    _entered.remove(step)


def name_run(pipeline: str, run_id: str | None = None) -> None:
    """Name the run that this process executes now, for the lines of its log."""
    _run.update(pipeline=pipeline, run_id=run_id)


def current_context() -> dict[str, str | None]:
    """Return pipeline, run_id and step of what runs now; None where nothing does."""
    return {**_run, "step": _entered[-1] if _entered else None}


def describe_activity() -> str:
    """Return which step runs now, as the end of a sentence."""
    return f"during step {_entered[-1]!r}" if _entered else "between two steps"


def log_step(step: str, outcome: Literal["ran", "cached", "failed"], seconds: float, text: str = "") -> None:
    """Log one step and record it for the manifest."""
    entries = _entries.get()
    if entries is not None:
        entries.append(Entry(step=step, outcome=outcome, seconds=round(seconds, 3), text=text))
    level = logging.WARNING if outcome == "failed" else logging.INFO
    line = ("%s %-18s %6.1f s  %-6s %s", MARKS[outcome], step, seconds, outcome, text)
    held = _held.get()
    if held is None:
        log.log(level, *line)
    else:
        held.append((level, line))


@contextlib.contextmanager
def held_lines() -> Iterator[None]:
    """Log the lines of steps at the end of the block, and not at all if it raises."""
    held: list[tuple[int, tuple[Any, ...]]] = []
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)
    for level, line in held:
        log.log(level, *line)


def describe_result(result: Any) -> str:
    """Describe the result of a step in a few words."""
    if isinstance(result, Artifact):
        return f"{result.rows:,} rows" if result.rows else ""
    sentence = getattr(result, "sentence", "")
    return str(sentence)


def relay_progress(send: Callable[[str, Any], None]) -> None:
    """Send the progress of this process to another one, which shows it."""
    _relays.append(send)


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a progress bar on a terminal. Yields a function to call after each unit of work, with a note to show."""
    if _relays:
        send = _relays[-1]
        send("begin", [label, total])
        yield lambda note: send("advance", note)
        return
    from rich.console import Console  # only long steps need it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("  {task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(compact=True),
    )
    for_machines = any(getattr(handler.formatter, "for_machines", False) for handler in log.handlers)
    is_shown = sys.stderr.isatty() and log.isEnabledFor(logging.INFO) and not for_machines
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not is_shown) as progress:
        task_id = progress.add_task(label, total=total, note="")
        with progress_artifact(_run["pipeline"] or "", label, total) as advance:

            def advance_with_note(text: str) -> None:
                progress.update(task_id, advance=1, note=text)
                advance()

            yield advance_with_note
