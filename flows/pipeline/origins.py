"""The rolling origins of a backtest: instants from A to B, each of which could have been the as-of of a night.

The distance is kept on the wall clock of the schedule's zone: origins a day apart stay at the same time of day.
"""

from datetime import datetime

import pandas as pd

from data_contracts.errors import SpecError
from flows.pipeline.schedule import Day, parse_last_moment
from flows.pipeline.spec import PipelineSpec
from models.data.time_steps import step_width
from models.data.windows import parse_duration

MAX_ORIGINS = 10_000
DAY = pd.Timedelta(days=1)
MONTHS_PER_STEP = {"M": 1, "Q": 3, "Y": 12}


def list_origins(
    spec: PipelineSpec, start: Day | datetime, end: Day | datetime, every: str | None, as_of: datetime
) -> tuple[datetime, ...]:
    """List the origins of a backtest.

    Args:
        spec: The pipeline.
        start: First origin; a date is its first moment in the schedule's zone.
        end: Last day (inclusive) or instant.
        every: Distance of two origins, such as 1d or 12h. None: a day, or one step of a longer frequency.
        as_of: The instant up to which actuals are known.

    Returns:
        The origins in UTC, oldest first.

    Raises:
        SpecError: The range or the distance is invalid, or an origin is after `as_of`.
    """
    first, last = spec.parse_as_of(str(start), "--from"), parse_last_moment(spec, str(end))
    if first > last:
        raise SpecError(
            f"--from {_format(first)} is after --to {_format(last)}, so pipeline {spec.name!r} has no origin between "
            "them. Give an earlier --from or a later --to."
        )
    distance = default_distance(spec.freq) if every is None else parse_distance(every, spec.freq)
    wall = pd.Timestamp(first).tz_convert(spec.schedule.timezone)
    origins = list[datetime]()
    for number in range(MAX_ORIGINS + 1):
        moment = _move(wall, number, distance).tz_convert("UTC").to_pydatetime()
        if moment > last:
            break
        origins.append(moment)
    if len(origins) > MAX_ORIGINS:
        raise SpecError(
            f"--every {every or 'of the default'} gives more than {MAX_ORIGINS:,} origins from {_format(first)} to "
            f"{_format(last)}. Give a larger --every, or shorten the range."
        )
    if origins[-1] > as_of:
        latest = as_of.astimezone(spec.schedule.zone)
        raise SpecError(
            f"the origin {_format(origins[-1])} of --to {end} is after {_format(as_of)}, up to which the data of "
            f"pipeline {spec.name!r} are known. Give --to {latest:%Y-%m-%dT%H:%M} or earlier."
        )
    return tuple(origins)


def parse_distance(text: str, freq: str) -> pd.DateOffset | pd.Timedelta:
    """Parse the distance of two origins: whole days on the wall clock, anything else as elapsed time.

    Args:
        text: A duration such as 1d, 12h or 4w.
        freq: The frequency of the pipeline.

    Returns:
        The distance.

    Raises:
        SpecError: It is not a positive duration, or shorter than a step.
    """
    try:
        duration = parse_duration(text)
    except ValueError as unclear:
        raise SpecError(
            f"--every {text!r} is not a duration. Write a number with a unit, for example 1d, 12h or 4w."
        ) from unclear
    if duration < max(step_width(freq), pd.Timedelta(seconds=1)):
        raise SpecError(
            f"--every {text} is shorter than one step of freq {freq}, after which nothing new is known. Give a step or "
            "more, for example 1d."
        )
    return pd.DateOffset(days=duration // DAY) if duration % DAY == pd.Timedelta(0) else duration


def default_distance(freq: str) -> pd.DateOffset:
    """Return the distance of two origins by default: a day, or one step of a frequency with longer steps."""
    offset = pd.tseries.frequencies.to_offset(freq)
    months = MONTHS_PER_STEP.get(offset.name.split("-")[0].lstrip("B")[:1])
    if isinstance(offset, pd.offsets.Week):
        return pd.DateOffset(days=7 * offset.n)
    if months and not isinstance(offset, pd.offsets.Tick | pd.offsets.BusinessDay | pd.offsets.Day):
        return pd.DateOffset(months=months * offset.n)
    days = offset.n if isinstance(offset, pd.offsets.Day) else step_width(freq) // DAY
    return pd.DateOffset(days=max(days, 1))


def _move(wall: pd.Timestamp, count: int, distance: pd.DateOffset | pd.Timedelta) -> pd.Timestamp:
    """Return the instant `count` distances after a time; a wall time that clocks repeat is the first."""
    if count == 0:
        return wall
    if isinstance(distance, pd.Timedelta):
        return wall + count * distance
    naive = wall.tz_localize(None) + count * distance
    return naive.tz_localize(wall.tz, ambiguous=True, nonexistent="shift_forward")


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
