"""GET /v1/forecasts: published batch forecasts by series, time and as-of, as JSON, CSV, Parquet or Arrow."""

import io
from typing import NamedTuple

import pyarrow as pa
import pyarrow.ipc

from data_contracts.errors import NightcastError, SpecError
from deployments.api.problems import Problem
from flows.pipeline.published import ReadRequest, read_table
from tasks.history.conversion import to_bytes
from tasks.history.published import NotPublished
from tasks.storage.store import Store

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
MAX_ROWS = 1_000_000


class PublishedTable(NamedTuple):
    """A table as bytes of its media type."""

    data: bytes
    media_type: str
    rows: int


def choose_format(asked: str | None, accept: str) -> str:
    """Return the format of an answer: that of the parameter, else the first of Accept that is offered, else JSON.

    Raises:
        Problem: The format is unknown, or Accept allows none.
    """
    if asked:
        if asked not in MEDIA_TYPES:
            raise Problem(422, f"format is {asked[:40]!r}. Formats: {', '.join(MEDIA_TYPES)}.")
        return asked
    names = {media.partition(";")[0]: name for name, media in MEDIA_TYPES.items()}
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for media in wanted:
        if media in names:
            return names[media]
    if not accept or any(media in ("*/*", "application/*") for media in wanted):
        return "json"
    raise Problem(406, f"Accept is {accept[:80]!r}. Media types: {', '.join(names)}.")


def read_published(request: ReadRequest, chosen: str, store: Store) -> PublishedTable:
    """Read published forecasts.

    Args:
        request: What to read.
        chosen: A key of MEDIA_TYPES.
        store: The store.

    Returns:
        The table.

    Raises:
        Problem: No such vintage or series is published, a time is unclear, or the answer would have too many rows.
    """
    try:
        table = read_table(request, store)
    except NotPublished as missing:
        raise Problem(404, _of_the_api(missing, store)) from missing
    except SpecError as unclear:
        raise Problem(422, _of_the_api(unclear, store)) from unclear
    if len(table) > MAX_ROWS:
        detail = f"the answer has {len(table):,} rows, and the limit is {MAX_ROWS:,}."
        raise Problem(422, f"{detail} Name series or a range of ds.")
    data = _to_arrow_stream(table) if chosen == "arrow" else to_bytes(table, chosen)
    return PublishedTable(data, MEDIA_TYPES[chosen], len(table))


def _of_the_api(error: NightcastError, store: Store) -> str:
    """Return a message with the parameters of a URL, not the options of the command line, and without the folder."""
    text = str(error).replace(f" of the store {store.display_root!r}", "")
    return text.replace("--as-of", "as_of").replace("--ds", "ds")


def _to_arrow_stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
