"""Looks at any table and guesses the pipeline it wants: columns, step, zone, season, windows, repeats, bounds."""

import pandas as pd
import pyarrow as pa

from data_contracts.spec import Spec
from models.data.calendar import is_calendar_step
from tasks.profiling.column_types import ColumnProfile, parse_times, profile_columns
from tasks.profiling.covariates import Table, idle_among, infer_covariates
from tasks.profiling.duplicates import infer_duplicate_policy, infer_version_column
from tasks.profiling.frequency import infer_frequency, near
from tasks.profiling.inference import Hints, Inference
from tasks.profiling.seasonality import infer_seasonality
from tasks.profiling.series_column import infer_series_column
from tasks.profiling.target_column import infer_target
from tasks.profiling.time_column import Times, infer_time_column, plain, promised
from tasks.profiling.timezone import infer_timezone
from tasks.sources.spec import SourceSpec
from tasks.sources.values import parse_numbers


class TableProfile(Spec):
    """A pipeline in our words, and what was found on the way. `columns` are those of the table, with what they hold."""

    source: SourceSpec
    columns: tuple[ColumnProfile, ...]
    rows: int
    unique_id: str | None
    ds: str
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
    observed: tuple[str, ...]
    static: tuple[str, ...]
    repeated: str
    minimum: float | None
    whole: bool
    findings: tuple[Inference, ...]


def profile_table(table: pa.Table, source: SourceSpec, hints: Hints) -> TableProfile:
    """Raises SpecError for a hint that names no column, Unguessable where no pipeline can be made of the table."""
    where, kinds = source.shown, profile_columns(table, source)
    times = infer_time_column(table, kinds, source, hints)
    source = source.model_copy(update={"epoch": times.epoch})
    zone_found, zone, zoned = infer_timezone(table, times, hints)
    frame = _frame(table, kinds, times, source.decimal)
    ids, id_found = infer_series_column(frame, times.column, kinds, hints, where)
    key = [ids, times.column] if ids else [times.column]
    rest = {name: told for name, told in kinds.items() if name not in key}
    series = frame[ids] if ids else pd.Series("one", index=frame.index)

    local = source.model_copy(update={"timezone": zone}) if hints.timezone or (zoned and zone != "UTC") else source
    written = promised(times.column, times.format)
    # where steps are days: those of the place
    dates = parse_times(plain(table[times.column]), local, "D", written)
    steps = infer_frequency(times.values, series, dates, hints, where)
    days = is_calendar_step(steps.freq)
    stamps = near(dates if days else times.values, steps.freq)

    idle = idle_among(rest, frame, times.column)
    target = infer_target(frame, rest, idle, hints, where)
    known_at, version = infer_version_column(frame, key, kinds, source)
    repeated, repeats = ("reject", None) if known_at else infer_duplicate_policy(frame, key, target.columns[0], hints)
    others = infer_covariates(Table(frame, times.column, ids, target.columns), rest, idle)
    panel = [
        pd.DataFrame({"series": series.astype(str) + f"/{y}", "ds": stamps, "y": frame[y]}) for y in target.columns
    ]
    rhythm = infer_seasonality(pd.concat(panel, ignore_index=True), steps.freq, hints, where)
    y = pd.concat([frame[name] for name in target.columns]).dropna()
    minimum, bound = _bounds(y, target.finding.value)
    found = [times.finding, id_found, target.finding, steps.finding, zone_found, *rhythm.findings]
    found += [one for one in (steps.gaps, version, repeats, bound, *others.findings) if one]
    return TableProfile(
        source=local if days or hints.timezone else source, columns=tuple(kinds.values()), rows=table.num_rows,
        unique_id=ids, ds=times.column, format=times.format, y=target.y, targets=target.columns, known_at=known_at,
        freq=steps.freq, zone=zone, horizon=rhythm.horizon, lookback=rhythm.lookback, season=rhythm.season,
        refresh=rhythm.refresh, observed=others.observed, static=others.static, repeated=repeated, minimum=minimum,
        whole=bool((y % 1 == 0).all()), findings=tuple(found),
    )  # fmt: skip


def _frame(table: pa.Table, kinds: dict[str, ColumnProfile], times: Times, decimal: str) -> pd.DataFrame:
    """Numbers as numbers, the time in UTC, names as they are."""
    columns = {name: plain(table[name]) for name in kinds}
    for name, told in kinds.items():
        if told.kind in ("integer", "number", "epoch") or (told.kind == "boolean" and told.typed):
            columns[name] = parse_numbers(columns[name], decimal)[0]
    return pd.DataFrame(columns | {times.column: times.values})


def _bounds(y: pd.Series, name: str) -> tuple[float | None, Inference | None]:
    if y.empty or y.min() < 0:
        return None, None
    why = f"no value of {name} is below 0, so no forecast is either"
    return 0.0, Inference("minimum", "0", "likely", why)
