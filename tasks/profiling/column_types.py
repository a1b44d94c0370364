"""Infers what each column of an unknown table holds, from its values: numbers, times, booleans or text."""

import unicodedata
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract import Column
from models.data.features import FeatureSpec
from tasks.profiling.inference import Inference
from tasks.profiling.vocabulary import TIME_WORDS
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.sources.numbers import parse_numbers
from tasks.sources.spec import SourceSpec
from tasks.sources.times.column_text import numbers_to_text
from tasks.sources.times.periods import are_excel_days
from tasks.sources.values import parse_booleans

EpochUnit = Literal["s", "ms", "us", "ns"]
ColumnKind = Literal["time", "integer", "number", "boolean", "text", "epoch", "nested", "nothing"]

MAX_SAMPLED_ROWS = 20_000
MIN_MATCHING_SHARE = 0.9  # of the values of a column that must be of its kind
EPOCH_STARTS: dict[EpochUnit, float] = {"s": 1e9, "ms": 1e12, "us": 1e15, "ns": 1e18}  # September 2001 in each unit
YEAR, MONTH, DAY = r"(?:1[89]|20)\d\d", "(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
MINUTE_OF_DIGITS = rf"{YEAR}{MONTH}{DAY}(?:[01]\d|2[0-4])(?:[0-5]\d(?:[0-5]\d)?)?"  # 202401312000
DIGITS_BY_NAME = (YEAR, f"{YEAR}{MONTH}", rf"\d\d{MONTH}{DAY}", f"{DAY}{MONTH}{YEAR}", f"{MONTH}{DAY}{YEAR}")
MIN_EPOCH_SHARE = 0.95  # of the values that must be in this range; the others are far off
EPOCH_SPAN = 4.2  # times the start: an epoch ends in 2103
TYPED_KINDS: dict[ColumnKind, tuple[Callable[[pa.DataType], bool], ...]] = {
    "nested": (pa.types.is_nested,),  # structs, lists and maps are left out
    "time": (pa.types.is_timestamp, pa.types.is_date),
    "boolean": (pa.types.is_boolean,),
}


class ColumnProfile(NamedTuple):
    """The kind of a column's values, and the share of values of this kind."""

    name: str
    kind: ColumnKind
    share: float
    typed: bool
    """Whether the file declares the type; otherwise the column is text, and the kind is inferred from the values."""


def profile_columns(table: pa.Table, source: SourceSpec) -> dict[str, ColumnProfile]:
    """Profile every column with a usable name of its own.

    Args:
        table: The whole table; every n-th row of a long one is looked at.
        source: How the table is read.

    Returns:
        The profiles by name, in the order of the table. Columns whose name has control characters, occurs twice, or is
        empty without holding times are left out.
    """
    every = max(1, -(-table.num_rows // MAX_SAMPLED_ROWS))
    sample = table.take(pa.array(np.arange(0, table.num_rows, every))) if every > 1 else table
    names = table.column_names
    profiles = (profile_column(name, sample[name], source) for name in names if names.count(name) == 1)
    return {profile.name: profile for profile in profiles if _is_usable(profile)}


def infer_repeated_names(names: list[str]) -> Inference | None:
    """Say which names several columns have, so that none of them is used; None if each has a name of its own."""
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    counts = ", ".join(f"{name!r} ({names.count(name)} columns)" for name in repeated)
    return Inference("left out", counts, None, "give each column a name of its own") if repeated else None


def _is_usable(profile: ColumnProfile) -> bool:
    # A table with one series is named after its target. A column of times may have an empty name, as pandas writes it.
    if not profile.name.strip():
        return profile.name == "" and profile.kind in ("time", "epoch")
    return not any(unicodedata.category(letter) == "Cc" for letter in profile.name)


def profile_column(name: str, values: pa.ChunkedArray, source: SourceSpec) -> ColumnProfile:
    """Infer the kind of a column from its Arrow type or, for text, from its values."""
    arrow_type = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if values.null_count == len(values):
        return ColumnProfile(name, "nothing", 1.0, True)
    for kind, tests in TYPED_KINDS.items():
        if any(test(arrow_type) for test in tests):
            return ColumnProfile(name, kind, 1.0, True)
    known = values.cast(arrow_type).to_pandas().dropna()
    if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type) or pa.types.is_decimal(arrow_type):
        numeric: ColumnKind = "integer" if pa.types.is_integer(arrow_type) else "number"
        epoch = detect_epoch_unit(known, name)
        written = numbers_to_text(known) if numeric == "integer" or not epoch else known
        dates = not epoch and pd.api.types.is_string_dtype(written) and are_compact_dates(written, name)
        return ColumnProfile(name, "time" if dates else "epoch" if epoch else numeric, 1.0, not dates)
    return _profile_text(name, known.astype(str), source)


def _profile_text(name: str, text: pd.Series, source: SourceSpec) -> ColumnProfile:
    text = text[~source.number_format.is_missing(text)]
    if text.empty:
        return ColumnProfile(name, "nothing", 1.0, False)
    values, not_a_number, _ = parse_numbers(text, source.number_format)
    if (share := float(1 - not_a_number.mean())) >= MIN_MATCHING_SHARE and not are_compact_dates(text, name):
        return ColumnProfile(name, _kind_of_numbers(values.dropna(), name), share, False)
    if (share := float(parse_times(text, source).notna().mean())) >= MIN_MATCHING_SHARE:
        return ColumnProfile(name, "time", share, False)
    return ColumnProfile(name, "text" if parse_booleans(text)[1].any() else "boolean", 1.0, False)


def _kind_of_numbers(values: pd.Series, name: str) -> ColumnKind:
    if detect_epoch_unit(values, name):
        return "epoch"
    return "integer" if (values % 1 == 0).all() else "number"


def are_compact_dates(text: pd.Series, name: str) -> bool:
    """Return whether digits alone are times.

    20240131 and 202401312000 always are; 2024, 202401 and the day numbers of Excel only in a column that is named like
    a time, because they may as well be counts.
    """
    digits = pd.Series(text.str.strip().str.replace(r"\.0+$", "", regex=True).unique(), dtype="str")
    if len(digits) < 2:
        return bool(digits.str.fullmatch(YEAR).all()) and _has_time_name(name)
    if digits.str.fullmatch(rf"{YEAR}{MONTH}{DAY}").all() or digits.str.fullmatch(MINUTE_OF_DIGITS).all():
        return True
    if not _has_time_name(name):
        return False
    return any(digits.str.fullmatch(pattern).all() for pattern in DIGITS_BY_NAME) or are_excel_days(digits)


def _has_time_name(name: str) -> bool:
    return bool(column_name_words(name) & TIME_WORDS) or not name.strip()


def parse_times(values: pd.Series, source: SourceSpec, freq: str = "h", column: Column | None = None) -> pd.Series:
    """Parse times as a night would.

    Args:
        values: The values of a time column.
        source: How the table is read; gives the time zone and the epoch unit.
        freq: The step; with a calendar step the times are dates.
        column: What the contract promises of the column.

    Returns:
        The times in UTC; NaT for values that cannot be parsed.
    """
    return trial_dataset_spec(source, ColumnsSpec(ds="ds", y="y"), freq).parse_times(values, column)


def trial_dataset_spec(source: SourceSpec, columns: ColumnsSpec, freq: str) -> DatasetSpec:
    """Return a dataset with defaults for everything that reading a table does not need."""
    return DatasetSpec(
        pipeline="new", source=source, columns=columns, features=FeatureSpec(), freq=freq, zone="UTC", horizon=1
    )


def detect_epoch_unit(values: pd.Series, name: str) -> EpochUnit | None:
    """Detect Unix timestamps.

    Args:
        values: The values of a column, without missing ones.
        name: The name of the column.

    Returns:
        The unit if the values fall between 2001 and 2103 and either the column name suggests a time or the values
        increase; otherwise None. If the name suggests a time, some values may lie elsewhere, such as 0 for 1970.
    """
    if len(values) < 2 or not pd.api.types.is_numeric_dtype(values):
        return None
    has_time_name = bool(column_name_words(name) & (TIME_WORDS | {"epoch", "unix"}))
    required = MIN_EPOCH_SHARE if has_time_name else 1.0
    inside = {unit: values.between(start, EPOCH_SPAN * start, "left") for unit, start in EPOCH_STARTS.items()}
    unit = next((unit for unit, within in inside.items() if within.mean() >= required), None)
    if not unit or values[inside[unit]].nunique() < 2:
        return None
    return unit if has_time_name or values.is_monotonic_increasing else None


def column_name_words(name: str) -> set[str]:
    """Return the words of a column name in lower case, and the whole name: `dateTime_utc` gives date, time, utc."""
    split = "".join(f" {letter}" if letter.isupper() and before.islower() else letter
                    for before, letter in zip(f" {name}", name, strict=False))  # fmt: skip
    plain = "".join(letter if letter.isalnum() else " " for letter in split).lower()
    return {*plain.split(), name.lower()}
