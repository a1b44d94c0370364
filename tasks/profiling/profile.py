"""Looks at any table and guesses the pipeline it wants: columns, step, zone, season, windows, repeats, bounds."""

import pandas as pd
import pyarrow as pa

from data_contracts.spec import Spec
from models.data.calendar import is_calendar_step
from tasks.profiling.column_types import Told, kinds_of, times_of
from tasks.profiling.covariates import Table, covariates_of, idle_among
from tasks.profiling.duplicates import repeats_of, version_of
from tasks.profiling.frequency import near, steps_of
from tasks.profiling.inference import Finding, Hints
from tasks.profiling.seasonality import rhythm_of
from tasks.profiling.series_column import series_of
from tasks.profiling.target_column import target_of
from tasks.profiling.time_column import Times, plain, promised, time_of
from tasks.profiling.timezone import zone_of
from tasks.sources.read import SourceSpec
from tasks.sources.values import numbers


class Guess(Spec):
    """A pipeline in our words, and what was found on the way. `columns` are those of the table, with what they hold."""

    source: SourceSpec
    columns: tuple[Told, ...]
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
    findings: tuple[Finding, ...]


def guess(table: pa.Table, source: SourceSpec, hints: Hints) -> Guess:
    """Raises SpecError for a hint that names no column, Unguessable where no pipeline can be made of the table."""
    where, kinds = source.shown, kinds_of(table, source)
    times = time_of(table, kinds, source, hints)
    source = source.model_copy(update={"epoch": times.epoch})
    zone_found, zone, zoned = zone_of(table, times, hints)
    frame = _frame(table, kinds, times, source.decimal)
    ids, id_found = series_of(frame, times.column, kinds, hints, where)
    key = [ids, times.column] if ids else [times.column]
    rest = {name: told for name, told in kinds.items() if name not in key}
    series = frame[ids] if ids else pd.Series("one", index=frame.index)

    local = source.model_copy(update={"timezone": zone}) if hints.timezone or (zoned and zone != "UTC") else source
    written = promised(times.column, times.format)
    # where steps are days: those of the place
    dates = times_of(plain(table[times.column]), local, "D", written)
    steps = steps_of(times.values, series, dates, hints, where)
    days = is_calendar_step(steps.freq)
    stamps = near(dates if days else times.values, steps.freq)

    idle = idle_among(rest, frame, times.column)
    target = target_of(frame, rest, idle, hints, where)
    known_at, version = version_of(frame, key, kinds, source)
    repeated, repeats = ("reject", None) if known_at else repeats_of(frame, key, target.columns[0], hints)
    others = covariates_of(Table(frame, times.column, ids, target.columns), rest, idle)
    panel = [
        pd.DataFrame({"series": series.astype(str) + f"/{y}", "ds": stamps, "y": frame[y]}) for y in target.columns
    ]
    rhythm = rhythm_of(pd.concat(panel, ignore_index=True), steps.freq, hints, where)
    y = pd.concat([frame[name] for name in target.columns]).dropna()
    minimum, bound = _bounds(y, target.finding.value)
    found = [times.finding, id_found, target.finding, steps.finding, zone_found, *rhythm.findings]
    found += [one for one in (steps.gaps, version, repeats, bound, *others.findings) if one]
    return Guess(
        source=local if days or hints.timezone else source, columns=tuple(kinds.values()), rows=table.num_rows,
        unique_id=ids, ds=times.column, format=times.format, y=target.y, targets=target.columns, known_at=known_at,
        freq=steps.freq, zone=zone, horizon=rhythm.horizon, lookback=rhythm.lookback, season=rhythm.season,
        refresh=rhythm.refresh, observed=others.observed, static=others.static, repeated=repeated, minimum=minimum,
        whole=bool((y % 1 == 0).all()), findings=tuple(found),
    )  # fmt: skip


def _frame(table: pa.Table, kinds: dict[str, Told], times: Times, decimal: str) -> pd.DataFrame:
    """Numbers as numbers, the time in UTC, names as they are."""
    columns = {name: plain(table[name]) for name in kinds}
    for name, told in kinds.items():
        if told.holds in ("integer", "number", "epoch") or (told.holds == "boolean" and told.typed):
            columns[name] = numbers(columns[name], decimal)[0]
    return pd.DataFrame(columns | {times.column: times.values})


def _bounds(y: pd.Series, name: str) -> tuple[float | None, Finding | None]:
    if y.empty or y.min() < 0:
        return None, None
    why = f"no value of {name} is below 0, so no forecast is either"
    return 0.0, Finding("minimum", "0", "likely", why)
