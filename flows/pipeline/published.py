"""Read what a pipeline has published, named by its YAML file, its name, or its folder in the store alone.

This file imports neither PipelineSpec nor a model library: reading a table must start at once.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from data_contracts.errors import SpecError
from data_contracts.yaml_reader import read_document
from flows.pipeline.files import find_pipeline, list_pipelines
from flows.settings import Settings
from tasks.history.conversion import Library, to_library
from tasks.history.published import nearest
from tasks.history.reader import PublishedReader
from tasks.history.selection import Selection
from tasks.storage.layout import forecasts_dir
from tasks.storage.store import Store

TABLES = ("forecasts", "actuals", "accuracy", "anomalies", "comparison", "lead_times", "history", "changes")
VINTAGES = ("newest", "all")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class NamedPipeline(NamedTuple):
    """The name that the store knows a pipeline by, and the time zone of dates without an offset."""

    name: str
    zone: str = "UTC"


class ReadRequest(NamedTuple):
    """What to read of which pipeline. `ds` is a date or a time, or a range as FROM..TO with both ends included."""

    pipeline: str
    table: str = "forecasts"
    as_of: str | datetime | None = None
    vintages: str = "newest"
    ds: str | None = None
    series: tuple[str, ...] = ()


def read(  # noqa: PLR0913 - one keyword for each thing that a reader may ask
    pipeline: str,
    table: str = "forecasts",
    *,
    as_of: str | datetime | None = None,
    vintages: str = "newest",
    ds: str | None = None,
    series: str | Sequence[str] = (),
    store: str | None = None,
    library: Library = "pandas",
) -> Any:
    """Read what a pipeline has published.

    Args:
        pipeline: The path of its YAML file or its name.
        table: forecasts, actuals, accuracy, anomalies, comparison (each forecast with its actual), lead_times (errors
            and coverage by step), history (the clean table that a forecast was made from), or changes (levels, columns
            and series that differ from the vintage before).
        as_of: Only what was published for nights at or before this time; None: everything.
        vintages: Of forecasts, `newest` or `all`. Quantile levels that a vintage does not have are null.
        ds: Only these times: a date, a time, or FROM..TO with both ends included.
        series: Only these series.
        store: Folder or URL of the store; None: NIGHTCAST_STORE, or `store` in the working folder.
        library: pandas, polars or arrow.

    Returns:
        A frame of that library.
    """
    names = (series,) if isinstance(series, str) else tuple(series)
    request = ReadRequest(str(pipeline), table, as_of, vintages, ds, names)
    return to_library(read_table(request, Store(root=str(store)) if store else Settings().opened_store), library)


def read_table(request: ReadRequest, store: Store) -> pa.Table:
    """Read a published table.

    Args:
        request: What to read.
        store: The store that holds it.

    Returns:
        The rows.

    Raises:
        SpecError: The request names an unknown table or pipeline, or times that are not times.
    """
    if request.table not in TABLES:
        raise SpecError(f"unknown table {request.table!r}{nearest(request.table, list(TABLES))}. "
                        f"Tables: {', '.join(TABLES)}.")  # fmt: skip
    if request.vintages not in VINTAGES:
        raise SpecError(f"vintages {request.vintages!r} is unknown; write newest or all.")
    if request.table == "accuracy" and request.ds:
        raise SpecError("accuracy has one row per forecast and series, and no ds; leave ds out, or read comparison.")
    if request.table == "changes" and (request.ds or request.series):
        raise SpecError("changes has one row per change of a vintage; leave ds and series out.")
    pipeline = identify_pipeline(request.pipeline, store)
    reader = PublishedReader(pipeline=pipeline.name, store=store, as_of=_parse_as_of(request.as_of, pipeline.zone))
    selection = Selection(request.series, *_parse_range(request.ds, pipeline.zone))
    if request.table == "forecasts" and request.vintages == "all":
        return reader.all_forecasts(selection)
    table: pa.Table = getattr(reader, request.table)(selection)
    return table


def identify_pipeline(pipeline: str, store: Store) -> NamedPipeline:
    """Return the name of a pipeline in the store. Its YAML file is read if there is one, for the time zone.

    Args:
        pipeline: The path of a YAML file, the name of a pipeline, or of a folder in the store.
        store: The store, which may know pipelines whose YAML file is elsewhere.

    Returns:
        The pipeline.

    Raises:
        SpecError: There is neither a file nor a folder of that name, or the file does not name a pipeline.
    """
    folder = Settings().pipelines
    is_path = pipeline.endswith((".yaml", ".yml")) or "/" in pipeline
    if not is_path and pipeline not in list_pipelines(folder):
        return NamedPipeline(pipeline)
    path = find_pipeline(pipeline, folder)
    document = read_document(path)
    name, schedule = document.get("name"), document.get("schedule")
    if not isinstance(name, str):
        if not is_path and store.list_files(forecasts_dir(pipeline)):
            return NamedPipeline(pipeline)
        raise SpecError(f"{path} does not name a pipeline: the field `name` is missing. Run nightcast check {path}.")
    zone = schedule.get("timezone") if isinstance(schedule, dict) else None
    return NamedPipeline(name, _known_zone(zone) if isinstance(zone, str) else "UTC")


def _known_zone(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ValueError, OSError):  # unknown; `check` says so
        return "UTC"


def _parse_as_of(as_of: str | datetime | None, zone: str) -> datetime | None:
    return None if as_of is None else _parse_time(as_of, zone, "--as-of")


def _parse_time(value: str | datetime, zone: str, option: str) -> datetime:
    """Convert a time to UTC. A date is its first moment; a time without an offset is in the zone of the schedule."""
    try:
        moment = pd.Timestamp(value)
        if moment is not pd.NaT and moment.tz is None:
            moment = moment.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        time = None if moment is pd.NaT else moment.tz_convert(UTC).to_pydatetime()
    except (ValueError, TypeError, OverflowError) as error:
        raise SpecError(f"{option} {value!r} is not a time: {error}. Write 2013-11-30 or an ISO time.") from error
    if time is None:
        raise SpecError(f"{option} {value!r} is not a time: it is empty. Write 2013-11-30 or an ISO time.")
    return time


def _parse_range(ds: str | None, zone: str) -> tuple[datetime | None, datetime | None]:
    """Return the bounds start <= ds < before of a range as text."""
    if ds is None:
        return None, None
    first, dots, last = ds.partition("..")
    last = last if dots else first
    start = _parse_time(first, zone, "--ds") if first.strip() else None
    before = _end_of(last.strip(), zone) if last.strip() else None
    if start is None and before is None:
        raise SpecError(f"--ds {ds!r} has neither a begin nor an end. Write FROM..TO, FROM.., ..TO or one date.")
    if start and before and before <= start:
        raise SpecError(f"--ds {ds!r} ends before it begins. Write the earlier time first.")
    return start, before


def _end_of(value: str, zone: str) -> datetime:
    """Return the first moment after a date, or after a time."""
    try:
        if DATE.fullmatch(value):
            following = (_parse_day(value) + timedelta(days=1)).strftime("%Y-%m-%d")
            return _parse_time(following, zone, "--ds")
        return _parse_time(value, zone, "--ds") + timedelta(microseconds=1)
    except OverflowError as last:
        raise SpecError(
            f"--ds {value!r} has no time after it. Write an earlier time, or FROM.. without an end."
        ) from last


def _parse_day(value: str) -> datetime:
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise SpecError(f"--ds {value!r} is not a date: {error}. Write 2013-11-30.") from error
