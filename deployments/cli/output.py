"""How every verb answers: the result on stdout, the sentence of an error on stderr, the documented exit code."""

import json
import sys
from typing import Annotated, Any

import typer

from data_contracts.errors import NightcastError

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log and tracebacks too.")]


def run_command(found: Any, as_json: bool, verbose: bool) -> None:
    """Print what `found` gives, or the sentence of its error, and leave with the exit code that is documented."""
    try:
        told = found()
    except NightcastError as error:
        sentence = "\n".join((str(error), *getattr(error, "__notes__", ())))
        _leave({"error": type(error).__name__, "message": sentence}, sentence, error.exit_code, as_json)
    except Exception as error:
        if verbose:
            raise
        hint = "Run it again with --verbose to see where it happened."
        if "Failed to reach API" in str(error):
            hint = "Start that Prefect server, or unset PREFECT_API_URL: then the night starts one of its own."
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason was given"
        sentence = f"{type(error).__name__}: {reason}. {hint}"
        _leave({"error": type(error).__name__, "message": str(error)}, sentence, 1, as_json)
    else:
        if told is not None:  # else it has said everything itself
            record, text = told
            sys.stdout.write((json.dumps(record, ensure_ascii=False) if as_json else text) + "\n")


def _leave(record: dict[str, Any], sentence: str, code: int, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({**record, "exit_code": code}, ensure_ascii=False) + "\n")
    sys.stderr.write(f"error: {sentence}\n")
    raise typer.Exit(code)
