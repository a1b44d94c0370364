"""Looks at any table and guesses the pipeline it wants: columns, step, zone, season, windows, repeats, bounds."""

import pandas as pd
import pyarrow as pa

from data_contracts.spec import Spec
from tasks._guess_kinds import Told, kinds_of, times_of
from tasks._guess_repeats import repeats_of
from tasks._guess_season import rhythm_of
from tasks._guess_series import series_of
from tasks._guess_steps import steps_of
from tasks._guess_target import roles_of
from tasks._guess_time import Times, plain, time_of
from tasks._guess_words import Finding, Hints
from tasks._guess_zone import zone_of
from tasks._source import SourceSpec
from tasks._values import numbers


class Guess(Spec):
    """A pipeline in our words, and what was found on the way. `columns` are those of the table, with what they hold."""

    source: SourceSpec
    columns: tuple[Told, ...]
    rows: int
    unique_id: str | None
    ds: str
    y: str
    freq: str
    zone: str
    horizon: int
    lookback: int
    season: int | None
    observed: tuple[str, ...]
    static: tuple[str, ...]
    repeated: str
    minimum: float | None
    whole: bool
    findings: tuple[Finding, ...]


def guess(table: pa.Table, source: SourceSpec, hints: Hints) -> Guess:
    """Raises SpecError for a hint that names no column, Unguessable where no pipeline can be made of the table."""
    where = source.shown
    kinds = kinds_of(table, source)
    times = time_of(table, kinds, source, hints)
    zone_found, zone, zoned = zone_of(table, times, hints)
    frame = _frame(table, kinds, times)
    ids, id_found = series_of(frame, times.column, kinds, hints, where)
    source = source.model_copy(update={"timezone": zone}) if hints.timezone or (zoned and zone != "UTC") else source
    dates = times_of(plain(table[times.column]), source, "D")  # where steps are days: those of the place
    steps = steps_of(times.values, frame[ids] if ids else None, dates, hints, where)
    calendar = not isinstance(pd.tseries.frequencies.to_offset(steps.freq), pd.offsets.Tick)
    source = source if calendar or hints.timezone else source.model_copy(update={"timezone": None})
    stamps = dates if calendar else times.values
    roles = roles_of(frame, times.column, ids, kinds, hints, where)
    key = [ids, times.column] if ids else [times.column]
    repeated, repeats_found = repeats_of(frame, key, roles.y, hints)
    panel = pd.DataFrame({"series": frame[ids] if ids else "one", "ds": stamps, "y": frame[roles.y]})
    rhythm = rhythm_of(panel, steps.freq, hints, where)
    y = frame[roles.y].dropna()
    minimum, bound = _bounds(y, roles.y)
    found = [times.finding, id_found, *roles.findings[:1], steps.finding, zone_found, *rhythm.findings]
    found += [one for one in (steps.gaps, repeats_found, bound, *roles.findings[1:]) if one]
    return Guess(
        source=source, columns=tuple(kinds.values()), rows=table.num_rows, unique_id=ids, ds=times.column, y=roles.y,
        freq=steps.freq, zone=zone, horizon=rhythm.horizon, lookback=rhythm.lookback, season=rhythm.season,
        observed=roles.observed, static=roles.static, repeated=repeated, minimum=minimum,
        whole=bool((y % 1 == 0).all()), findings=tuple(found),
    )  # fmt: skip


def _frame(table: pa.Table, kinds: dict[str, Told], times: Times) -> pd.DataFrame:
    """Numbers as numbers, the time in UTC, names as they are."""
    columns = {name: plain(table[name]) for name in kinds}
    for name, told in kinds.items():
        if told.holds in ("integer", "number", "epoch") or (told.holds == "boolean" and told.typed):
            columns[name] = numbers(columns[name])[0]
    return pd.DataFrame(columns | {times.column: times.values})


def _bounds(y: pd.Series, name: str) -> tuple[float | None, Finding | None]:
    if y.empty or y.min() < 0:
        return None, None
    why = f"no value of {name} is below 0, so no forecast is either"
    return 0.0, Finding("minimum", "0", "likely", why)
