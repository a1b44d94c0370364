"""Infers the time column: which column it is, how its values are written, and the times in UTC.

choose a column ──► epoch numbers? count since 1970
                └─► text, dates: recognize the format ──► day or month first? ──► times in UTC
"""

import re
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from data_contracts.contract import Column
from tasks.profiling.column_types import (
    MIN_MATCHING_SHARE,
    ColumnProfile,
    EpochUnit,
    column_name_words,
    detect_epoch_unit,
    parse_times,
)
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, format_percent, join_names, resolve_column
from tasks.profiling.vocabulary import AUDIT_WORDS, ROW_NUMBER_WORDS, STEP_WORDS, TIME_WORDS
from tasks.sources.spec import SourceSpec
from tasks.sources.times.date_recognition import RecognizedFormat
from tasks.sources.times.time_advice import advise, are_steps, begins_with_step
from tasks.sources.times.time_columns import parts_of
from tasks.sources.times.time_recognition import recognize_column
from tasks.sources.values import format_value

CONTRACT_LETTERS = {"%d": "dd", "%m": "MM", "%Y": "yyyy", "%H": "HH", "%M": "mm", "%S": "ss"}
ORDERS = {"%d": "day first", "%m": "month first", "%Y": "year first", "%y": "year first"}
MAX_RANKED_ROWS = 100_000
STEPS = "counts steps without dates, which become days from 1970-01-01; for another column: --time"


class TimeColumn(NamedTuple):
    """The time column, its values in UTC (NaT if a value cannot be parsed), and the evidence."""

    column: str
    values: pd.Series
    inference: Inference
    format: str | None = None
    """The format in the contract's notation, if only the regularity of the steps decided its order."""
    source_format: str | None = None
    """The value of `source.format`, unless the times are ISO 8601 or the contract has the format."""
    epoch: EpochUnit | None = None
    """The unit of Unix timestamps, if the values are numbers."""


def infer_time_column(
    table: pa.Table, profiles: dict[str, ColumnProfile], source: SourceSpec, hints: Hints
) -> TimeColumn:
    """Choose the time column and parse it.

    Args:
        table: The whole table.
        profiles: The columns of the table by name.
        source: How the table is read.
        hints: What the user states.

    Returns:
        The column with its times, on the rows of the table.

    Raises:
        SpecError: A hint names a column that the table does not have.
        CannotInferPipeline: No column holds times, or the chosen column cannot be parsed.
    """
    name = _choose_column(table, profiles, source, hints)
    values = to_pandas(table[name])
    if profiles[name].kind == "epoch":
        return _parse_epoch(name, values, source, hints)
    recognized = recognize_column(values)
    written = recognized.format if recognized else None
    steps = written is None and profiles[name].kind in ("integer", "number") and are_steps(values)
    written = "steps" if steps else written
    plain = source.model_copy(update={"format": None})
    times = parse_times(values, plain.model_copy(update={"format": written}) if written else plain)
    share = float(times.notna().mean()) if len(times) else 0.0
    if share < MIN_MATCHING_SHARE:
        raise CannotInferPipeline(_unreadable_message(name, values, times, source))
    in_contract = recognized and recognized.uneven and not parts_of(name)  # a contract has no joint column
    contract_format = _contract_format(written) if in_contract else None
    inference = _inference(name, times, (share, recognized), profiles, hints)
    inference = inference._replace(confidence="unsure", evidence=STEPS) if steps else inference
    return TimeColumn(name, times, inference, contract_format, None if contract_format else written)


def describe_joint_time(times: TimeColumn) -> TimeColumn:
    """Return a time that was inferred from several columns with the confidence and the option for it."""
    confidence = "unsure" if times.inference.confidence == "unsure" else "likely"
    evidence = f"these columns hold one time together, for others: --time; {times.inference.evidence}"
    return times._replace(inference=times.inference._replace(confidence=confidence, evidence=evidence))


def to_pandas(values: pa.ChunkedArray) -> pd.Series:
    """Convert a column to pandas, with dictionary values decoded."""
    arrow_type = values.type
    return (values.cast(arrow_type.value_type) if pa.types.is_dictionary(arrow_type) else values).to_pandas()


def _choose_column(table: pa.Table, profiles: dict[str, ColumnProfile], source: SourceSpec, hints: Hints) -> str:
    if hints.time:
        return resolve_column(hints.time, profiles, "--time", source.label)
    candidates = [profile.name for profile in profiles.values() if profile.kind == "time"]
    candidates = candidates or [profile.name for profile in profiles.values() if profile.kind == "epoch"]
    candidates = candidates or _step_columns(table, profiles)
    if not candidates:
        columns = join_names([repr(name) for name in table.column_names], 12)
        raise CannotInferPipeline(
            f"{source.label} has no time column among its {table.num_columns} columns: {columns}. Each row needs a "
            "time such as 2024-01-31 or 2024-01-31 13:00: add such a column, or name it with --time."
        )
    return min(candidates, key=lambda name: _rank(name, table, profiles))


def _step_columns(table: pa.Table, profiles: dict[str, ColumnProfile]) -> list[str]:
    """Return integer columns that are named like a time or a row number, and count steps from each other."""
    words = TIME_WORDS | ROW_NUMBER_WORDS | STEP_WORDS
    integers = (name for name, profile in profiles.items() if profile.kind == "integer")
    named = (name for name in integers if column_name_words(name) & words)
    return [name for name in named if are_steps(numbers := to_pandas(table[name])) and begins_with_step(numbers)]


def _rank(name: str, table: pa.Table, profiles: dict[str, ColumnProfile]) -> tuple[object, ...]:
    """Rank a candidate, lowest is best: not an audit column, most distinct times, a time type, a name of a time."""
    words = column_name_words(name)
    distinct = table[name].slice(0, MAX_RANKED_ROWS).unique()
    count = len(distinct) - bool(distinct.null_count)
    return (bool(words & AUDIT_WORDS), -count, not profiles[name].typed, not words & TIME_WORDS)


def _parse_epoch(name: str, values: pd.Series, source: SourceSpec, hints: Hints) -> TimeColumn:
    unit = detect_epoch_unit(pd.to_numeric(values, errors="coerce").dropna(), name) or "s"
    times = parse_times(values, source.model_copy(update={"epoch": unit}))
    evidence = f"Unix timestamps in {unit}, from {times.min():%Y-%m-%d %H:%M} to {times.max():%Y-%m-%d %H:%M}"
    return TimeColumn(name, times, Inference("time", name, "given" if hints.time else "likely", evidence), epoch=unit)


def _contract_format(written: str | None) -> str | None:
    """Return a strptime format in the letters of a contract, dd/MM/yyyy; None if it has other directives."""
    letters = re.sub("%[a-zA-Z]", lambda match: CONTRACT_LETTERS.get(match[0], "?"), written or "?")
    return None if "?" in letters else letters


def contract_time_column(name: str, format_: str | None) -> Column | None:
    """Return the time column as the contract will promise it, or None if no format has to be promised."""
    if format_ is None:
        return None
    strptime = format_
    for directive, letters in CONTRACT_LETTERS.items():
        strptime = strptime.replace(letters, directive)
    return Column(name=name, kind="time", format=strptime)


def _inference(
    name: str,
    times: pd.Series,
    parsed: tuple[float, RecognizedFormat | None],
    profiles: dict[str, ColumnProfile],
    hints: Hints,
) -> Inference:
    """Describe the choice; `parsed` is the share of values that were parsed, and the format if one was recognized."""
    share, recognized = parsed
    others = [profile.name for profile in profiles.values() if profile.kind == "time" and profile.name != name]
    evidence = f"{'is a time' if profiles[name].typed else 'parses'} in {format_percent(share)} of rows"
    evidence += ", sorted" if times.dropna().is_monotonic_increasing else ""
    evidence += f"; other time columns: {join_names(others)}, choose with --time" if others else ""
    evidence += _describe_format(recognized) if recognized else ""
    doubtful = bool(recognized and recognized.alternatives)
    certain = share == 1 and not others and not (recognized and recognized.uneven)
    confidence = "unsure" if doubtful else "sure" if certain else "likely"
    return Inference("time", name, "given" if hints.time and not doubtful else confidence, evidence)


def _describe_format(recognized: RecognizedFormat) -> str:
    """Describe the format, and what decided the order of day and month."""
    if recognized.format is None:
        return ""
    shown = _contract_format(recognized.format) if recognized.uneven else None
    text = f"; {shown or recognized.format}"
    if recognized.uneven:
        return f"{text}, because {_order(recognized.uneven)} would give uneven steps"
    if recognized.alternatives:
        other = recognized.alternatives[0]
        return f"{text}, {_order(recognized.format)}; if it is {_order(other)}, set source.format to {other!r}"
    ordered = recognized.example and "%d" in recognized.format and "%m" in recognized.format
    return f"{text}, because of {recognized.example!r}" if ordered else text


def _order(written: str) -> str:
    return next((order for directive, order in ORDERS.items() if written.startswith(directive)), written)


def _unreadable_message(name: str, values: pd.Series, times: pd.Series, source: SourceSpec) -> str:
    problem = f"column {name!r} of {source.label} does not hold times: "
    unreadable = values[times.isna()]
    first = format_value(unreadable.iloc[0]) if len(unreadable) else "nothing"
    advice = advise(values, None) or "write times as 2024-01-31 13:00"
    return (
        f"{problem}{len(unreadable):,} of {len(values):,} rows cannot be parsed, the first is {first}; {advice}. Or "
        "name another column with --time."
    )
