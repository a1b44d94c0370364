"""`nightcast doctor --notify`: send new problems to the block `nightcast-notify`, also while its server is down.

<home>/notify-block.json   the block as the server last had it, mode 0600, since it may hold a password
<home>/doctor.json         for each selection of pipelines, the problems that were sent last, and when
<home>/notices.log         where problems are written without a block, or if the block fails

A scheduler outside Prefect (cron, a systemd timer) calls the command: what watches a server must not live in it.
"""

import asyncio
import contextlib
import inspect
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from prefect.blocks.abstract import NotificationBlock
from prefect.client.orchestration import get_client

from data_contracts.errors import redact
from deployments.private_home import write_private
from deployments.process_environment import is_server_ready, variable
from deployments.server.notifications import BLOCK_NAME, NOTICES_FILE, NotificationFile

NUMBER = re.compile(r"\b\d+(?:[.:]\d+)*\b")
REMIND_AFTER = timedelta(hours=24)
BLOCK_FILE, STATE_FILE = "notify-block.json", "doctor.json"


class Delivery(NamedTuple):
    """What was sent and to whom; `error` is why the block could not be used, `subject` is empty if nothing was new."""

    subject: str = ""
    recipient: str = ""
    error: str = ""

    @property
    def text(self) -> str:
        """One line for the terminal."""
        if not self.subject:
            return "nothing to notify: no problem is new"
        failed = f"; the block {BLOCK_NAME} could not be used: {self.error}" if self.error else ""
        return f"notified {self.recipient}: {self.subject}{failed}"


def notify_changes(findings: list[dict[str, Any]], home: Path, now: datetime, scope: str = "all") -> Delivery:
    """Send the problems if they are not those that were sent last, or after REMIND_AFTER; and their end.

    Args:
        findings: The findings of `nightcast doctor --json`.
        home: Prefect's home, with the files of this module.
        now: The current time.
        scope: Which pipelines were checked; calls with another scope do not count as the last one.

    Returns:
        What was sent. A message that the block refuses is written to the local file, and sent again by the next call.
        If that file cannot be written either, `error` says so, and nothing is sent.
    """
    problems = [finding for finding in findings if finding["state"] == "bad"]
    current = sorted({_identify(problem) for problem in problems})
    states = _read_json(home / STATE_FILE)
    known = states.get(scope)
    state: dict[str, Any] = known if isinstance(known, dict) else {}
    last = state.get("problems")
    is_reminder = bool(current) and now - _parse_time(state.get("sent")) >= REMIND_AFTER
    if current == (last or []) and not is_reminder:
        return Delivery()
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    subject = f"Nightcast: {count}" if problems else "Nightcast: healthy again"
    lines = [f"{problem['part']}: {problem['told']}. {problem['step']}".strip() for problem in problems]
    try:
        delivery = _send(subject, "\n".join(lines) or "All health checks are good.", home)
        if not delivery.error:
            _write_json(home / STATE_FILE, states | {scope: {"problems": current, "sent": now.isoformat()}})
    except OSError as refused:
        return Delivery(subject, "nobody", f"{home} cannot be written: {refused}")
    return delivery


def _identify(problem: dict[str, Any]) -> str:
    """Return what makes a problem the same as yesterday's: its text without numbers, such as an age, and its step."""
    return f"{problem['part']}: {NUMBER.sub('#', problem['told'])} {problem['step']}"


def _send(subject: str, body: str, home: Path) -> Delivery:
    file = NotificationFile(path=str(home / NOTICES_FILE))
    error = ""
    try:
        block, recipient = _load_block(home) or (file, file.path)
        _call(block, body, subject)
    except Exception as refused:  # noqa: BLE001 - a block is code of others, and the message must not get lost
        error = redact(f"{type(refused).__name__}: {(str(refused).strip().splitlines() or [''])[0]}")
        recipient = file.path
        _call(file, body, subject)
    return Delivery(subject, recipient, error)


def _load_block(home: Path) -> tuple[NotificationBlock, str] | None:
    """Return the block and its description: from the server if it answers, else the copy of it; None without both."""
    document = _block_of_server()
    if document is None:
        document = _read_json(home / BLOCK_FILE)
    if not document:
        (home / BLOCK_FILE).unlink(missing_ok=True)  # the block was deleted
        return None
    _write_json(home / BLOCK_FILE, document)
    block_class = NotificationBlock.get_block_class_from_key(document["slug"])
    return block_class.model_validate(document["data"]), f"block {BLOCK_NAME} ({document['slug']})"


def _block_of_server() -> dict[str, Any] | None:
    """Return the block, empty if the server has none; None if it does not answer."""
    if not variable("PREFECT_API_URL") or not is_server_ready():
        return None
    with contextlib.suppress(Exception), get_client(sync_client=True) as client:  # a busy server: the copy is used
        for block in client.read_block_documents():
            if block.name == BLOCK_NAME and block.block_type:
                return {"slug": block.block_type.slug, "data": dict(block.data)}
        return {}
    return None


def _call(block: NotificationBlock, body: str, subject: str) -> None:
    sent: Any = block.notify(body, subject)
    if inspect.isawaitable(sent):
        asyncio.run(_wait(sent))


async def _wait(sent: Any) -> None:
    await sent


def _read_json(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_json(file: Path, record: dict[str, Any]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, json.dumps(record))


def _parse_time(written: object) -> datetime:
    with contextlib.suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(str(written))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.min.replace(tzinfo=UTC)
