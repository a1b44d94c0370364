"""What the columns of an unknown table hold: numbers, times, truths or names, judged by their values."""

import unicodedata
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract import Column
from models.data.features import FeatureSpec
from tasks.profiling.vocabulary import TIME
from tasks.sources.dataset import ColumnsSpec, DatasetSpec
from tasks.sources.spec import SourceSpec
from tasks.sources.values import MISSING, parse_booleans, parse_numbers

Unit = Literal["s", "ms", "us", "ns"]
ColumnKind = Literal["time", "integer", "number", "boolean", "text", "epoch", "nothing"]

SAMPLE = 20_000  # rows that tell what a column holds
MOSTLY = 0.9  # share of values that must fit
EPOCHS: dict[Unit, float] = {
    "s": 1e9,
    "ms": 1e12,
    "us": 1e15,
    "ns": 1e18,
}  # of 2001; 33 years later it is twice as much


class ColumnProfile(NamedTuple):
    """What a column holds, and the share of its values that fit."""

    name: str
    kind: ColumnKind
    share: float
    typed: bool
    """Whether the file says so itself; else it is text, and the values say it."""


def profile_columns(table: pa.Table, source: SourceSpec) -> dict[str, ColumnProfile]:
    """What each column holds; a column with the name of another, or none, is left out."""
    every = max(1, -(-table.num_rows // SAMPLE))
    sample = table.take(pa.array(np.arange(0, table.num_rows, every))) if every > 1 else table
    names = table.column_names
    fit = (name for name in names if names.count(name) == 1 and _names(name))
    return {name: infer_kind(name, sample[name], source) for name in fit}


def _names(name: str) -> bool:
    """Whether a series may be called so: the target gives its name to the only one."""
    return bool(name.strip()) and not any(unicodedata.category(letter) == "Cc" for letter in name)


def infer_kind(name: str, values: pa.ChunkedArray, source: SourceSpec) -> ColumnProfile:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if values.null_count == len(values):
        return ColumnProfile(name, "nothing", 1.0, True)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return ColumnProfile(name, "time", 1.0, True)
    if pa.types.is_boolean(kind):
        return ColumnProfile(name, "boolean", 1.0, True)
    plain = values.cast(kind).to_pandas().dropna()
    if pa.types.is_integer(kind):
        return ColumnProfile(name, "epoch" if detect_epoch_unit(plain, name) else "integer", 1.0, True)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ColumnProfile(name, "epoch" if detect_epoch_unit(plain, name) else "number", 1.0, True)
    return _of_text(name, plain.astype(str), source)


def _of_text(name: str, text: pd.Series, source: SourceSpec) -> ColumnProfile:
    text = text[~text.str.strip().str.lower().isin(MISSING)]
    if text.empty:
        return ColumnProfile(name, "nothing", 1.0, False)
    values, no_number, _ = parse_numbers(text, source.decimal)
    if (share := float(1 - no_number.mean())) >= MOSTLY and not _digits_are_a_date(text, name):
        return ColumnProfile(name, _of_numbers(values.dropna(), name), share, False)
    if (share := float(parse_times(text, source).notna().mean())) >= MOSTLY:
        return ColumnProfile(name, "time", share, False)
    return ColumnProfile(name, "text" if parse_booleans(text)[1].any() else "boolean", 1.0, False)


def _of_numbers(values: pd.Series, name: str) -> ColumnKind:
    if detect_epoch_unit(values, name):
        return "epoch"
    return "integer" if (values % 1 == 0).all() else "number"


def parse_times(values: pd.Series, source: SourceSpec, freq: str = "h", column: Column | None = None) -> pd.Series:
    """The times as a night would read them, in UTC; NaT for what is none. `column` is what is promised of them."""
    return trial_dataset_spec(source, ColumnsSpec(ds="ds", y="y"), freq).times(values, column)


def trial_dataset_spec(source: SourceSpec, columns: ColumnsSpec, freq: str) -> DatasetSpec:
    return DatasetSpec(
        pipeline="new", source=source, columns=columns, features=FeatureSpec(), freq=freq, zone="UTC", horizon=1
    )


def detect_epoch_unit(values: pd.Series, name: str) -> Unit | None:
    """The unit in which numbers count since 1970, where they all may and either the name or their order says so."""
    if len(values) < 2 or not pd.api.types.is_numeric_dtype(values):
        return None
    low, high = float(values.min()), float(values.max())
    unit = next((unit for unit, least in EPOCHS.items() if least <= low and high < 4.2 * least), None)
    named = bool(column_name_words(name) & (TIME | {"epoch", "unix"}))
    return unit if unit and values.nunique() > 1 and (named or values.is_monotonic_increasing) else None


def column_name_words(name: str) -> set[str]:
    """The words of a column's name in lower case: `dateTime_utc` is date, time, utc."""
    parted = "".join(f" {letter}" if letter.isupper() and before.islower() else letter
                     for before, letter in zip(f" {name}", name, strict=False))  # fmt: skip
    plain = "".join(letter if letter.isalnum() else " " for letter in parted).lower()
    return {*plain.split(), name.lower()}


def _digits_are_a_date(text: pd.Series, name: str) -> bool:
    """20240131, or 2024 under the name of a year: everything else of digits alone is a number."""
    compact = text.str.strip()
    if compact.str.fullmatch(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])").all():
        return compact.nunique() > 1
    return bool(compact.str.fullmatch(r"(?:1[89]|20)\d\d").all()) and bool(column_name_words(name) & TIME)
