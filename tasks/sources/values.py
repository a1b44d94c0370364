"""Parse single values of a source as numbers and booleans, and format a value for a message."""

from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract import Column
from tasks.sources.timestamps import has_zone

MAX_SHOWN_CHARACTERS = 60  # of one value in a message
MISSING = {"", "na", "n/a", "nan", "none", "null"}
TRUE, FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}


def format_value(value: Any) -> str:
    """Format a value for a message: text in quotes and without line breaks, numbers plain, long values cut."""
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_SHOWN_CHARACTERS else f"{value[:MAX_SHOWN_CHARACTERS]}…")
    return "nothing" if pd.isna(value) else str(value)[:MAX_SHOWN_CHARACTERS]


def parse_numbers(values: pd.Series, decimal: str = ".") -> tuple[pd.Series, pd.Series, pd.Series]:
    """Parse numbers.

    Args:
        values: Numbers, booleans or text.
        decimal: Decimal separator of text. If it is a comma, text with a point is not a number: the point may separate
            thousands.

    Returns:
        (numbers as float64, rows that hold other text, rows that are infinite), each on the index of `values`.
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = values.astype("float64")
        missing = numbers.isna()
    else:
        text = values.map(str, na_action="ignore").astype("str").str.strip()
        text = text.str.translate(str.maketrans(",.", ".,")) if decimal == "," else text
        missing = text.isna() | text.str.lower().isin(MISSING)
        valid = pd.to_numeric(text.mask(missing), errors="coerce").notna()
        numbers = pd.Series(np.nan, index=values.index)
        numbers[valid] = text[valid].map(float)  # pandas' own parser is off by a bit in one of four numbers
    infinite = pd.Series(np.isinf(numbers.to_numpy()), index=values.index)
    return numbers.mask(infinite), numbers.isna() & ~missing, infinite


def parse_booleans(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return (booleans with missing values, rows that hold other text), both on the index of `values`."""
    text = values.map(str, na_action="ignore").astype("str").str.strip().str.lower()
    known = text.isin(TRUE | FALSE)
    return text.isin(TRUE).astype("boolean").mask(~known), ~known & text.notna() & ~text.isin(MISSING)


def is_naive(values: pd.Series, column: Column | None) -> pd.Series:
    """Return the rows whose time, as text, has no offset although the contract promises one."""
    if column is None or not column.zoned or not pd.api.types.is_string_dtype(values):
        return pd.Series(False, index=values.index)
    return values.notna() & ~has_zone(values)
