"""Runs a command body and prints its result: stdout for results, stderr for errors, documented exit codes."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from data_contracts.errors import NightcastError, RunInterrupted, redact
from deployments.environment_file import check_prefect_files
from deployments.log_format import is_json
from flows.runs.interruption import announced, current_activity

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show Prefect's log and tracebacks.")]
CommandBody = Callable[[], tuple[dict[str, Any], str] | None]


def run_command(command: CommandBody, as_json: bool, verbose: bool) -> None:
    """Run a command body, and print its result or its error. It is not run if others can change Prefect's settings.

    Args:
        command: returns (facts, the same as text), or None if it has printed its result itself.
        as_json: print the facts as JSON instead of the text; an error becomes a JSON object too.
        verbose: let an unexpected exception through, so that its traceback is shown.

    Raises:
        typer.Exit: `command` failed; the exit code is that of its error.
    """
    try:
        check_prefect_files(Path.cwd())
        result = command()
    except NightcastError as error:
        message = "\n".join((str(error), *getattr(error, "__notes__", ())))
        _exit_with({"error": type(error).__name__, "message": message}, message, error.exit_code, as_json)
    except BaseException as error:
        interruption = RunInterrupted.caused_by(error, current_activity())
        if interruption:
            announced.set()
            message = "\n".join((str(interruption), *getattr(error, "__notes__", ())))
            _exit_with({"error": "RunInterrupted", "message": message}, message, interruption.exit_code, as_json)
        if verbose or not isinstance(error, Exception):
            raise
        hint = "Run the command again with --verbose to see the traceback."
        if "Failed to reach API" in str(error):
            hint = "Start that Prefect server, or unset PREFECT_API_URL: the run then starts its own server."
        text = redact(str(error)).strip()
        reason = text.splitlines()[0] if text else "no reason was given"
        message = f"{type(error).__name__}: {reason}. {hint}"
        _exit_with({"error": type(error).__name__, "message": text}, message, 1, as_json)
    else:
        if result is not None:
            facts, text = result
            sys.stdout.write((json.dumps(facts, ensure_ascii=False) if as_json else text) + "\n")


def _exit_with(record: dict[str, Any], message: str, code: int, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({**record, "exit_code": code}, ensure_ascii=False) + "\n")
    if is_json():
        logging.getLogger("nightcast").error(message)
    else:
        sys.stderr.write(f"error: {message}\n")
    raise typer.Exit(code)
