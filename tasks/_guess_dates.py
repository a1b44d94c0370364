"""Dates such as 01/02/2024, which may be read in two ways: the regular one is meant."""

import pandas as pd

from data_contracts.contract import Column

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
