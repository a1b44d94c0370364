"""Parse booleans, find naive times, and format a value for a message."""

from typing import Any

import pandas as pd

from data_contracts.contract import Column
from tasks.sources.numbers import FALSE, MISSING, TRUE, as_text
from tasks.sources.times.timestamps import has_zone

MAX_SHOWN_CHARACTERS = 60  # of one value in a message


def format_value(value: Any) -> str:
    """Format a value for a message: text in quotes and without line breaks, numbers plain, long values cut."""
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_SHOWN_CHARACTERS else f"{value[:MAX_SHOWN_CHARACTERS]}…")
    return "nothing" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)[:MAX_SHOWN_CHARACTERS]


def parse_booleans(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return (booleans with missing values, rows that hold other text), both on the index of `values`."""
    text = as_text(values).str.strip().str.lower()
    known = text.isin(TRUE | FALSE)
    return text.isin(TRUE).astype("boolean").mask(~known), ~known & text.notna() & ~text.isin(MISSING)


def is_naive(values: pd.Series, column: Column | None) -> pd.Series:
    """Return the rows whose time, as text, has no offset although the contract promises one."""
    if column is None or not column.zoned or not pd.api.types.is_string_dtype(values):
        return pd.Series(False, index=values.index)
    return values.notna() & ~has_zone(values)
