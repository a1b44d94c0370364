"""Say why the values of a time column are not times, and which setting reads them."""

import pandas as pd

from tasks.sources.times.time_recognition import recognize_column

MAX_STEP_COUNT = 20_000  # days since 1970: later steps would lie after the as-of of a night
MIN_STEP_SHARE = 0.9  # of the numbers between the first and the last that occur
MIN_EPOCH = 10**8  # Unix seconds of 1973


def are_steps(values: pd.Series) -> bool:
    """Return whether values are the running numbers of steps: 0, 1, 2 …, few of them missing.

    Args:
        values: Numbers, or digits as text.
    """
    numbers = pd.to_numeric(values.dropna().drop_duplicates(), errors="coerce").astype("float64")
    if len(numbers) < 2 or numbers.isna().any() or (numbers % 1 != 0).any() or numbers.min() < 0:
        return False
    count = numbers.max() - numbers.min() + 1
    return bool(numbers.max() < MAX_STEP_COUNT and len(numbers) >= MIN_STEP_SHARE * count)


def begins_with_step(values: pd.Series) -> bool:
    """Return whether the smallest number is 0 or 1: only then a column is taken for steps without being named."""
    return bool(pd.to_numeric(values, errors="coerce").min() <= 1)


def advise(values: pd.Series, format_: str | None) -> str:
    """Explain values that are mostly not times.

    Args:
        values: The column as read.
        format_: The format of the source or the contract, if there is one.

    Returns:
        What to change, as the end of a sentence; empty if nothing is known.
    """
    if format_:
        return f"its format is {format_!r}; correct source.format, or remove it"
    recognized = recognize_column(values)
    if recognized and recognized.contradiction:
        return (
            f"the dates contradict each other, {recognized.contradiction}; write them in one order in the source, or "
            "set source.format"
        )
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if (numeric or pd.api.types.is_string_dtype(values)) and are_steps(values):
        return "numbers such as 0, 1, 2 are counts of steps without a date; set source.format to 'steps' and freq to D"
    return _advise_numbers(values, recognized.format if recognized else None) if numeric else ""


def _advise_numbers(values: pd.Series, format_: str | None) -> str:
    if format_:
        return f"a number is not a date unless its format is known; set source.format to {format_!r}"
    if len(values.dropna()) and float(values.dropna().min()) >= MIN_EPOCH:
        return "a number is not a date unless its unit is known; set source.epoch to s, ms, us or ns for Unix times"
    return "a number is not a date unless its format is known; set source.format, or source.epoch for Unix times"
