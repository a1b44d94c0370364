"""Who is told: the Prefect block `nightcast-notify`, a webhook, mail or chat of your own; else lines in a local file.

A file is the default because it works on any machine without an account, and needs nobody's leave. The server itself
writes it, so it must know this module: those of `nightcast up` and of compose.yaml do.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.blocks.abstract import NotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from pydantic import Field

NAME = "nightcast-notify"


class NotificationFile(NotificationBlock):
    """Appends a line a notice to a file on the server's machine."""

    _block_type_name = "Nightcast notice file"
    _block_type_slug = "nightcast-notice-file"

    path: str = Field(description="The file, on the machine of the Prefect server.")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """One line: time, subject, body."""
        line = " · ".join(filter(None, [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", subject, " ".join(body.split())]))
        await asyncio.to_thread(_append, Path(self.path), line)


def block_to_notify(client: SyncPrefectClient, file: Path | None) -> UUID | None:
    """The block that is told: the user's own of that name, else one of ours that writes `file`; None without either."""
    for block in client.read_block_documents():
        if block.name == NAME:
            return block.id
    if file is None:
        return None
    made = NotificationFile(path=str(file))
    return UUID(str(made.save(NAME, overwrite=True)))


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
