"""Single values of a source: numbers, truths and times as they are written, and how a message shows one."""

from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract import Column
from tasks.sources.timestamps import OFFSET

MAX_SHOWN_CHARACTERS = 60  # letters of one value in a message
MISSING = {"", "na", "n/a", "nan", "none", "null"}
TRUE, FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}


def format_value(value: Any) -> str:
    """A value as a person may read it: text in quotes and without line breaks, a number plain, nothing endless."""
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_SHOWN_CHARACTERS else f"{value[:MAX_SHOWN_CHARACTERS]}…")
    return "nothing" if pd.isna(value) else str(value)[:MAX_SHOWN_CHARACTERS]


def parse_numbers(values: pd.Series, decimal: str = ".") -> tuple[pd.Series, pd.Series, pd.Series]:
    """(numbers, rows that are text, rows that are infinite), each of the length of `values`.

    Where text has a decimal comma its points, as of thousands, fit no number.
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = values.astype("float64")
        nothing = numbers.isna()
    else:
        text = values.map(str, na_action="ignore").astype("str").str.strip()
        text = text.str.translate(str.maketrans(",.", ".,")) if decimal == "," else text
        nothing = text.isna() | text.str.lower().isin(MISSING)
        fit = pd.to_numeric(text.mask(nothing), errors="coerce").notna()
        numbers = pd.Series(np.nan, index=values.index)
        numbers[fit] = text[fit].map(float)  # pandas' own parser is off by a bit in one of four numbers
    endless = pd.Series(np.isinf(numbers.to_numpy()), index=values.index)
    return numbers.mask(endless), numbers.isna() & ~nothing, endless


def parse_booleans(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """(true, false or missing; rows that are neither)."""
    text = values.map(str, na_action="ignore").astype("str").str.strip().str.lower()
    known = text.isin(TRUE | FALSE)
    return text.isin(TRUE).astype("boolean").mask(~known), ~known & text.notna() & ~text.isin(MISSING)


def is_naive(values: pd.Series, column: Column | None) -> pd.Series:
    """Rows whose time, as text, carries no zone where the contract says that it does."""
    if column is None or not column.zoned or not pd.api.types.is_string_dtype(values):
        return pd.Series(False, index=values.index)
    return values.notna() & ~values.str.contains(OFFSET, na=True)
