"""Where notifications go: the Prefect block `nightcast-notify`, made by the user, else lines in a local file.

A file is the default because it works on every machine without an account. The Prefect server writes it, so the server
must import this module: those of `nightcast up` and of compose.yaml do.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prefect.blocks.abstract import NotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from pydantic import Field

BLOCK_NAME = "nightcast-notify"
NOTICES_FILE = "notices.log"  # in Prefect's home


class NotificationFile(NotificationBlock):
    """Appends one line per notification to a file on the server's machine."""

    _block_type_name = "Nightcast notice file"
    _block_type_slug = "nightcast-notice-file"

    path: str = Field(description="The file, on the machine of the Prefect server.")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Append one line: time, subject, body."""
        line = " · ".join(filter(None, [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", subject, " ".join(body.split())]))
        await asyncio.to_thread(_append_line, Path(self.path), line)


def notification_block(client: SyncPrefectClient, file: Path | None) -> UUID | None:
    """Return the id of the block named nightcast-notify; create one that writes `file` if the server has none.

    Args:
        client: of the Prefect server.
        file: the file of a new block; None creates no block.

    Returns:
        The block's id, or None if there is neither a block nor a file.
    """
    for block in client.read_block_documents():
        if block.name == BLOCK_NAME:
            return block.id
    if file is None:
        return None
    return UUID(str(NotificationFile(path=str(file)).save(BLOCK_NAME, overwrite=True)))


def _append_line(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
