"""Work on the distinct values of a column, and write numbers as the text that a person would write."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.sources.times.time_formats import ParsedTimes


def map_distinct(values: pd.Series, parse: Callable[[pd.Series], ParsedTimes]) -> ParsedTimes:
    """Parse each distinct text once.

    Args:
        values: Text, with missing values.
        parse: Parses distinct text.

    Returns:
        The parsed times on the index of `values`; NaT for a missing value.
    """
    codes, distinct = pd.factorize(values)
    parsed = parse(pd.Series(distinct, dtype="str"))
    return ParsedTimes(*(_take(times, codes, values.index) for times in parsed))


def _take(times: pd.Series, codes: np.ndarray, index: pd.Index) -> pd.Series:
    missing = pd.Series([pd.NaT], dtype=times.dtype)
    return pd.concat([times, missing], ignore_index=True).take(codes).set_axis(index)


def numbers_to_text(values: pd.Series) -> pd.Series:
    """Write numbers without the `.0` of a whole number; other values, booleans too, are returned as they are."""
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return values
    codes, distinct = pd.factorize(values)
    text = [str(int(value)) if float(value).is_integer() else str(value) for value in distinct]
    return pd.Series([*text, None], dtype="str").take(codes).set_axis(values.index)


def text_to_arrow(text: pd.Series) -> pa.Array:
    """Return text as an Arrow array, with null for a missing value."""
    return pa.array(text.astype(object).where(text.notna(), None).tolist(), pa.string())
