"""The log on stderr: NIGHTCAST_LOG_LEVEL and NIGHTCAST_LOG_FORMAT=json, one object per line for log collectors."""

import json
import logging
import sys
from datetime import UTC, datetime

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
STYLES = ("text", "json")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time, level, pipeline, run_id, step, message."""

    for_machines = True  # no progress bar is drawn between the lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; pipeline, run and step are those that run now, or null."""
        run_log = sys.modules.get("tasks.engine.run_log")  # loaded only once a run begins
        context = run_log.current_context() if run_log else dict.fromkeys(("pipeline", "run_id", "step"))
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": time, "level": record.levelname, **context, "message": record.getMessage()}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def is_json() -> bool:
    """Return whether the log is written as JSON."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger("nightcast").handlers)


def log_to_stderr(quiet: bool, level: str = "", style: str = "") -> None:
    """Send Nightcast's log to stderr.

    Args:
        quiet: show only warnings.
        level: one of LEVELS; INFO by default.
        style: one of STYLES; text by default.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style.lower() == "json" else logging.Formatter("%(message)s"))
    log = logging.getLogger("nightcast")
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else level.upper() if level.upper() in LEVELS else logging.INFO)
    for name, given, allowed in (("NIGHTCAST_LOG_LEVEL", level, LEVELS), ("NIGHTCAST_LOG_FORMAT", style, STYLES)):
        if given and given.lower() not in map(str.lower, allowed):
            log.warning("%s is %r, which is not one of %s: the default is used", name, given, ", ".join(allowed))
