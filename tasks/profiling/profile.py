"""Profiles any table and infers its pipeline: columns, step, zone, season, windows, duplicates and bounds.

columns ──► time ──► zone ──► series ──► step ──► target ──► duplicates, covariates ──► season, horizon, lookback
"""

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from data_contracts.errors import SpecError
from data_contracts.spec import Spec
from models.data.calendar import is_calendar_step
from tasks.profiling.column_types import (
    ColumnProfile,
    column_name_words,
    infer_repeated_names,
    parse_times,
    profile_columns,
)
from tasks.profiling.covariates import find_redundant, infer_covariates
from tasks.profiling.duplicates import infer_duplicate_policy, infer_version_column
from tasks.profiling.frequency import FrequencyInference, infer_frequency, mask_outlying_times
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference
from tasks.profiling.joint_time import join_time_columns
from tasks.profiling.parsed_table import ParsedTable
from tasks.profiling.seasonality import infer_seasonality
from tasks.profiling.series_column import infer_series_columns
from tasks.profiling.stamps import infer_stamps
from tasks.profiling.target_column import infer_target
from tasks.profiling.time_column import (
    TimeColumn,
    contract_time_column,
    describe_joint_time,
    infer_time_column,
    to_pandas,
)
from tasks.profiling.timezone import TimezoneInference, infer_timezone
from tasks.profiling.vocabulary import SIGNED_WORDS
from tasks.sources.numbers import NumberFormat, parse_numbers
from tasks.sources.spec import SourceSpec

MAX_DISTANCE_FROM_FLOOR = (
    0.1  # share of the range of the target; if 0 is farther below its smallest value, no floor is inferred
)


class TableProfile(Spec):
    """The inferred pipeline, with the evidence for each part. `columns` are those of the table with their kinds."""

    source: SourceSpec
    columns: tuple[ColumnProfile, ...]
    rows: int
    unique_id: str | tuple[str, ...] | None
    ds: str
    time_parts: tuple[str, ...] = ()
    format: str | None
    y: str | tuple[str, ...]
    targets: tuple[str, ...]
    known_at: str | None
    freq: str
    zone: str
    horizon: int
    lookback: int
    season: int | None
    refresh: str | None
    known: tuple[str, ...]
    observed: tuple[str, ...]
    static: tuple[str, ...]
    repeated: str
    minimum: float | None
    whole: bool
    inferences: tuple[Inference, ...]

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that name a series: none, one or several."""
        return self.unique_id if isinstance(self.unique_id, tuple) else tuple(filter(None, [self.unique_id]))


def profile_table(table: pa.Table, source: SourceSpec, hints: Hints) -> TableProfile:
    """Infer a pipeline from a table.

    Args:
        table: The whole table.
        source: How it is read.
        hints: What the user states.

    Returns:
        The inferred pipeline with the evidence for each part.

    Raises:
        SpecError: A hint names a column that the table does not have.
        CannotInferPipeline: No pipeline can be inferred from the table.
    """
    left_out = infer_repeated_names(table.column_names)
    try:
        return _infer_profile(table, source, hints, left_out)
    except (CannotInferPipeline, SpecError) as error:
        if not left_out:
            raise
        raise type(error)(f"{error} Left out: {left_out.value}; {left_out.evidence}.") from error


def _infer_profile(table: pa.Table, source: SourceSpec, hints: Hints, left_out: Inference | None) -> TableProfile:
    name, all_profiles = source.label, profile_columns(table, source)
    table, profiles, named, parts = join_time_columns(table, all_profiles, source, hints)
    times = infer_time_column(table, profiles, source, named)
    times = describe_joint_time(times) if parts and not hints.time else times
    source = source.model_copy(update={"epoch": times.epoch, "format": times.source_format})
    zone = infer_timezone(table, times, hints)
    frame = _parse_table(table, profiles, times, source.number_format)
    ids, series_inference = infer_series_columns(frame, times.column, profiles, hints, name)
    key = [*ids, times.column]
    others = {column: profile for column, profile in profiles.items() if column not in key}
    series = frame.groupby(list(ids), sort=False).ngroup().astype(str) if ids else pd.Series("one", index=frame.index)
    step = _infer_steps(table[times.column], times, zone, series, hints, source)
    redundant = find_redundant(others, frame, times.column)
    parsed = ParsedTable(frame, times.column, series if ids else None)
    target = infer_target(parsed, others, redundant, hints, name)
    known_at, version = infer_version_column(frame, key, profiles, source)
    policy, repeats = ("reject", None) if known_at else infer_duplicate_policy(frame, key, target.columns[0], hints)
    covariates = infer_covariates(parsed, target.columns, others, redundant)
    rows = _to_long_format(frame, series, step.times, target.columns)
    seasonality = infer_seasonality(rows, step.inferred.freq, hints, name, covariates.steps_ahead)
    y = rows["y"].dropna()
    minimum, bound = _infer_minimum(y, target.inference.value)
    main = (times.inference, series_inference, target.inference, step.inferred.inference, zone.inference)
    optional = filter(None, (step.stamps, step.inferred.gaps, version, repeats, bound, left_out))
    return TableProfile(
        source=step.source,
        columns=tuple(all_profiles.values()),
        rows=table.num_rows,
        unique_id=ids if len(ids) > 1 else next(iter(ids), None),
        ds=times.column,
        time_parts=parts,
        format=times.format,
        y=target.y,
        targets=target.columns,
        known_at=known_at,
        freq=step.inferred.freq,
        zone=zone.zone,
        **seasonality.settings,
        **covariates.columns_by_role,
        repeated=policy,
        minimum=minimum,
        whole=bool((y % 1 == 0).all()),
        inferences=(*main, *seasonality.inferences, *optional, *covariates.inferences),
    )


def _to_long_format(frame: pd.DataFrame, series: pd.Series, times: pd.Series, targets: tuple[str, ...]) -> pd.DataFrame:
    parts = [pd.DataFrame({"series": series + f"/{y}", "ds": times, "y": frame[y]}) for y in targets]
    return pd.concat(parts, ignore_index=True)


class _Steps(NamedTuple):
    """The step, the times as a night reads them with it, and the source that reads them so."""

    inferred: FrequencyInference
    times: pd.Series
    stamps: Inference | None
    source: SourceSpec


def _infer_steps(
    column: pa.ChunkedArray,
    times: TimeColumn,
    zone: TimezoneInference,
    series: pd.Series,
    hints: Hints,
    source: SourceSpec,
) -> _Steps:
    """Infer the step; with a calendar step the times are dates on the clock of the zone."""
    written = to_pandas(column)
    in_zone = hints.timezone or (zone.zoned and zone.zone != "UTC")
    local = source.model_copy(update={"timezone": zone.zone}) if in_zone else source
    dates = parse_times(written, local, "D", contract_time_column(times.column, times.format))
    step = infer_frequency(times.values, series, dates, hints, source.label)
    calendar_step = is_calendar_step(step.freq)
    clock = times.values if calendar_step else times.values.dt.tz_convert(zone.zone)
    setting, stamps = infer_stamps(clock, series, written, step.freq, hints)
    stepped = mask_outlying_times(dates if calendar_step else times.values, step.freq)
    read = local if calendar_step or hints.timezone else source
    return _Steps(step, stepped, stamps, read.model_copy(update={"stamps": setting}))


def _parse_table(
    table: pa.Table, profiles: dict[str, ColumnProfile], times: TimeColumn, style: NumberFormat
) -> pd.DataFrame:
    """Return the table with numbers as float64, the time column in UTC, and the other columns as read."""
    nested = [name for name, profile in profiles.items() if profile.kind == "nested"]
    columns = {
        name: pd.Series([None] * table.num_rows) if name in nested else to_pandas(table[name]) for name in profiles
    }
    for name, profile in profiles.items():
        if profile.kind in ("integer", "number", "epoch", "boolean"):
            columns[name] = parse_numbers(columns[name], style).numbers
    return pd.DataFrame(columns | {times.column: times.values})


def _infer_minimum(y: pd.Series, name: str) -> tuple[float | None, Inference | None]:
    """Return 0 as the smallest value of the target if the table suggests a floor.

    A quantity that can be negative by its name, such as a temperature, has none. Nor has one whose values stay away
    from 0: the first frost would be rejected, although the table only covers a summer.
    """
    if y.empty or y.min() < 0 or column_name_words(name) & SIGNED_WORDS:
        return None, None
    if y.min() > MAX_DISTANCE_FROM_FLOOR * (y.max() - y.min()):
        return None, None
    evidence = (
        f"no value of {name} is below 0: forecasts are limited to 0 and more, and a row below 0 goes to quarantine"
    )
    return 0.0, Inference("minimum", "0", "likely", evidence)
