"""Which column is the time of an unknown table."""

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from data_contracts.contract import Column
from tasks.profiling.column_types import MOSTLY, ColumnProfile, Unit, column_name_words, detect_epoch_unit, parse_times
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent, join_names, resolve_column
from tasks.profiling.vocabulary import BOOKKEEPING, TIME
from tasks.sources.spec import SourceSpec


class Times(NamedTuple):
    """The time column, its values in UTC (NaT where one is none), and what tells that it is the time."""

    column: str
    values: pd.Series
    finding: Inference
    format: str | None = None
    """How they are written, in the words of a contract, where they could be read otherwise."""
    epoch: Unit | None = None
    """What they count since 1970, where they are numbers."""


def infer_time_column(table: pa.Table, kinds: dict[str, ColumnProfile], source: SourceSpec, hints: Hints) -> Times:
    """Raises SpecError for a hint that is no column, Unguessable where no column, or the hinted one, is a time."""
    if hints.time:
        name = resolve_column(hints.time, kinds, "--time", source.shown)
    else:
        candidates = [one.name for one in kinds.values() if one.kind == "time"]
        candidates = candidates or [one.name for one in kinds.values() if one.kind == "epoch"]
        if not candidates:
            raise CannotInferPipeline(_no_time(table, source))
        name = min(candidates, key=lambda one: _rank(one, table, kinds))
    values = plain(table[name])
    if kinds[name].kind == "epoch":
        return _counted(name, values, source, hints)
    found = parse_times(values, source)
    share = float(found.notna().mean()) if len(found) else 0.0
    if share < MOSTLY:
        raise CannotInferPipeline(_unread(name, values, found, source))
    word = day_first(values, found)
    if word:
        found = parse_times(values, source, column=promised(name, word))
    return Times(name, found, _finding(name, found, (share, word), kinds, hints), word)


def plain(values: pa.ChunkedArray) -> pd.Series:
    kind = values.type
    return (values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values).to_pandas()


def _rank(name: str, table: pa.Table, kinds: dict[str, ColumnProfile]) -> tuple[object, ...]:
    """Least is best: no bookkeeping, then the finest stamps, then a file that says itself that they are times."""
    words = column_name_words(name)
    distinct = table[name].slice(0, 100_000).unique()
    known = len(distinct) - bool(distinct.null_count)
    return (bool(words & BOOKKEEPING), -known, not kinds[name].typed, not words & TIME)


def _finding(
    name: str, found: pd.Series, read: tuple[float, str | None], kinds: dict[str, ColumnProfile], hints: Hints
) -> Inference:
    order = ", sorted" if found.dropna().is_monotonic_increasing else ""
    others = [one.name for one in kinds.values() if one.kind == "time" and one.name != name]
    share, word = read
    parses = "is a time" if kinds[name].typed else "parses"
    why = f"{parses} in {format_percent(share)} of rows{order}"
    why += f"; so does {join_names(others)}: choose with --time" if others else ""
    why += f"; {word}, for else their steps would be uneven" if word else ""
    sure = "given" if hints.time else "sure" if share == 1 and not others and not word else "likely"
    return Inference("time", name, sure, why)


def _counted(name: str, values: pd.Series, source: SourceSpec, hints: Hints) -> Times:
    unit = detect_epoch_unit(pd.to_numeric(values, errors="coerce").dropna(), name) or "s"
    found = parse_times(values, source.model_copy(update={"epoch": unit}))
    why = f"numbers that count {unit} since 1970, from {found.min():%Y-%m-%d %H:%M} to {found.max():%Y-%m-%d %H:%M}"
    return Times(name, found, Inference("time", name, "given" if hints.time else "likely", why), epoch=unit)


def _no_time(table: pa.Table, source: SourceSpec) -> str:
    columns = join_names([repr(name) for name in table.column_names], 12)
    return (
        f"{source.shown} has no column that reads as a time; its {table.num_columns} columns: {columns}. A row needs "
        "its time, as 2024-01-31 or 2024-01-31 13:00: add such a column, or say which one it is with --time."
    )


def _unread(name: str, values: pd.Series, found: pd.Series, source: SourceSpec) -> str:
    wrong = values[found.isna()]
    first = repr(wrong.iloc[0]) if len(wrong) else "nothing"
    return (
        f"column {name!r} of {source.shown} is no time: {len(wrong):,} of {len(values):,} rows can't be read as one, "
        f"the first is {first}. Write times as 2024-01-31 13:00, or name another column with --time."
    )


SHAPES = (  # of dates whose day and month can't be told apart: in the words of strptime, and of a contract
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y", "dd/MM/yyyy"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y", "dd.MM.yyyy"),
    (r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y", "dd-MM-yyyy"),
)
CLEARLY = 4
CLOCKS = (("", "", ""), (r" \d{1,2}:\d\d", " %H:%M", " HH:mm"), (r" \d{1,2}:\d\d:\d\d", " %H:%M:%S", " HH:mm:ss"))


def day_first(text: pd.Series, read: pd.Series) -> str | None:
    """The contract's word for the format where the day comes first, if that reads every value, and more regularly.

    `read` are the times without it: twelve months by their first day would be the first twelve days of a year.
    """
    if not pd.api.types.is_string_dtype(text) or text.empty:
        return None
    plain = text.dropna().str.strip()
    for shape, format_, word in SHAPES:
        for clock, strptime, said in CLOCKS:
            if len(plain) and plain.str.fullmatch(shape + clock).all():
                times = pd.to_datetime(plain, format=format_ + strptime, errors="coerce")
                fit = times.notna().all() and CLEARLY * _unevenness(times) < _unevenness(read[plain.index])
                return word + said if fit else None
    return None


def promised(name: str, word: str | None) -> Column | None:
    """The column as the contract will promise it."""
    if word is None:
        return None
    strptime = {said + clock[2]: format_ + clock[1] for _, format_, said in SHAPES for clock in CLOCKS}
    return Column(name=name, kind="time", format=strptime[word])


def _unevenness(times: pd.Series) -> float:
    """The longest step beside the usual one; 1 where all are alike."""
    steps = pd.Series(times.dropna().unique()).sort_values().diff().dropna()
    return float(steps.max() / steps.median()) if len(steps) else 1.0
