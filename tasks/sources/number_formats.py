"""Which ways to write numbers fit a column of text, and what to set in the source if another way fits."""

import re

import pandas as pd

from tasks.sources.numbers import NumberFormat, as_text, parse_numbers

NUMBER_FORMATS = (  # in the order in which they are preferred where several fit
    NumberFormat("."),
    NumberFormat(","),
    NumberFormat(".", ","),
    NumberFormat(",", "."),
    NumberFormat(",", " "),
    NumberFormat(".", " "),
    NumberFormat(".", "'"),
    NumberFormat(",", "'"),
)
MAX_SAMPLED_VALUES = 2000
MIN_SIGN_ROWS = 2  # a single word is a mistake and not a sign for missing values
EITHER = r"[-+]?[1-9]\d{0,2}[.,]\d{3}"  # 1.234: a thousand or a fraction


def share_of_numbers(text: pd.Series, style: NumberFormat) -> float:
    """Return the share of the values, missing ones left out, that are numbers in this format; 0 without values."""
    present = text[~style.is_missing(text)]
    return float(1 - parse_numbers(present, style).invalid.mean()) if len(present) else 0.0


def is_ambiguous(text: pd.Series) -> bool:
    """Return whether a separator in the values may separate thousands or decimals: all are like 1.234 or whole."""
    present = text[~NumberFormat().is_missing(text)].str.strip()
    with_separator = present[present.str.contains(r"[.,]")]
    return len(with_separator) > 0 and bool(with_separator.str.fullmatch(EITHER).all())


def describe_settings(style: NumberFormat) -> str:
    """Return the settings of the source as YAML: `decimal: ",", thousands: "."`."""
    settings = {"decimal": "," if style.decimal == "," else "", "thousands": style.thousands or ""}
    return ", ".join(f'{name}: "{value}"' for name, value in settings.items() if value) or 'decimal: "."'


def describe_invalid_numbers(values: pd.Series, invalid: pd.Series, style: NumberFormat) -> str:
    """Describe why values are not numbers, and what to set if they are in another format.

    Args:
        values: The values as read.
        invalid: Which of them are not numbers in `style`, on the same index.
        style: How the source writes numbers.

    Returns:
        The reason of the violation.
    """
    reason = "must be a number or empty"
    if not invalid.any():
        return reason
    distinct = as_text(values[invalid]).drop_duplicates().head(MAX_SAMPLED_VALUES)
    others = as_text(values[~invalid]).drop_duplicates().head(MAX_SAMPLED_VALUES)
    sample = pd.concat([distinct, others], ignore_index=True)
    for candidate in NUMBER_FORMATS:
        separated = candidate._replace(missing=style.missing)
        if separated != style and share_of_numbers(sample, separated) == 1:
            return f"{reason}; if {distinct.iloc[0]!r} is one, set {describe_settings(candidate)} in the source"
    if len(distinct) == 1 and invalid.sum() >= MIN_SIGN_ROWS and not re.search(r"\d", distinct.iloc[0]):
        return f"{reason}; if {distinct.iloc[0]!r} means missing, add it to missing in the source"
    return reason
