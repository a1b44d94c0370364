"""Parse numbers as people and programs write them: thousands, signs, percent, currencies, and signs for missing."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

MISSING = frozenset([  # in lower case
    "", "na", "n/a", "n/a.", "n.a.", "n.a", "#n/a", "#n/a n/a", "#na", "nan", "-nan", "nat", "<na>", "none", "null",
    "(null)", "#null!", r"\n", "missing", "?", "??", "-", "--", "---", ".", "..", "...", "…", ":", "–", "—",
    "1.#qnan", "-1.#ind",
])  # fmt: skip
TRUE, FALSE = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0"}
ALWAYS_BOOLEAN = {"true": 1.0, "false": 0.0}  # in a column of numbers, a single t or n may mean something else

MINUS_SIGNS, SPACES, APOSTROPHES = "\u2212\ufe63\uff0d\u2013", "\u00a0\u202f\u2009\u2007", "\u2019\u02bc"
PLAIN = str.maketrans({
    **dict.fromkeys(MINUS_SIGNS, "-"), **dict.fromkeys(SPACES, " "), **dict.fromkeys(APOSTROPHES, "'")
})  # fmt: skip
CURRENCIES = (
    r"(?:US|R|A|C|NZ|HK|S|MX)?\$|€|£|¥|₹|₽|₩|₺|₴|₦|฿|₫|₪|₱|₡|₲|₵|₸|₿|zł|kč|kr\.?|rs\.?|ft|lei|usd|eur|gbp|jpy|cny|chf|"
    r"cad|aud|nzd|sek|nok|dkk|pln|czk|huf|ron|bgn|try|rub|uah|inr|brl|mxn|zar|krw|sgd|hkd|ils|aed|sar|thb|idr|myr|php|"
    r"vnd|egp|ngn|clp|cop|ars|pen"
)
NUMBER = (  # body in groups of digits; at most one of the four ways to write a minus is accepted later
    rf"(?P<open>\()?\s*(?P<first>[-+])?\s*(?P<before>{CURRENCIES})?\s*(?P<second>[-+])?\s*"
    rf"(?P<body>\d[\d., ']*|[.,]\d+)(?P<exponent>e[-+]?\d+)?\s*"
    rf"(?P<after>%|{CURRENCIES})?\s*(?P<last>-)?\s*(?P<close>\))?"
)
GROUPED = r"(?:\d+|[1-9]\d{{0,2}}(?:{0}\d{{3}})+|[1-9]\d?(?:{0}\d{{2}})+{0}\d{{3}})"  # 1,234,567 or 12,34,567


class NumberFormat(NamedTuple):
    """How a source writes numbers: its decimal and thousands separators, and further signs for missing values."""

    decimal: str = "."
    thousands: str | None = None
    missing: tuple[str | float, ...] = ()

    def is_missing(self, text: pd.Series) -> pd.Series:
        """Return which text is a sign for a missing value, without regard to case and surrounding space."""
        signs = MISSING | {str(sign).strip().lower() for sign in self.missing}
        return text.isna() | text.str.strip().str.lower().isin(signs)

    @property
    def missing_numbers(self) -> list[float]:
        """The signs for missing values that are numbers, such as -999."""
        numbers = pd.to_numeric(pd.Series([str(sign) for sign in self.missing], dtype="str"), errors="coerce").dropna()
        return [float(number) for number in numbers]


PLAIN_NUMBERS = NumberFormat()


class ParsedNumbers(NamedTuple):
    """Numbers as float64; rows that hold other text; rows that are infinite: each on the index of the values."""

    numbers: pd.Series
    invalid: pd.Series
    infinite: pd.Series


def parse_numbers(values: pd.Series, style: NumberFormat = PLAIN_NUMBERS) -> ParsedNumbers:
    """Parse numbers; text is parsed by its distinct values.

    Args:
        values: Numbers, booleans or text.
        style: How the numbers are written. If the decimal separator is a comma, text with a point is not a number
            unless the point separates thousands, and the other way round.

    Returns:
        The numbers, a missing value as NaN. `true` is 1 and `false` is 0; so are `yes` and `no` in a column of
        booleans alone. 12.3 % is 12.3, unless other values of the column lack the percent sign; currencies are left
        out unless the column has several.
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = values.astype("float64")
        invalid = pd.Series(False, index=values.index)
    else:
        codes, distinct = pd.factorize(as_text(values))
        parsed, unreadable = _parse_text(pd.Series(distinct, dtype="str"), style)
        numbers = pd.Series(np.append(parsed, np.nan)[codes], index=values.index)
        invalid = pd.Series(np.append(unreadable, False)[codes], index=values.index)
    if style.missing:
        numbers = numbers.mask(numbers.isin(style.missing_numbers))
    infinite = pd.Series(np.isinf(numbers.to_numpy()), index=values.index)
    return ParsedNumbers(numbers.mask(infinite) if infinite.any() else numbers, invalid, infinite)


def as_text(values: pd.Series) -> pd.Series:
    """Return values as text, bytes decoded; missing values stay missing."""
    if isinstance(values.dtype, pd.StringDtype):
        return values
    text = values.map(
        lambda value: value.decode(errors="replace") if isinstance(value, bytes) else str(value), na_action="ignore"
    )
    return text.astype("str")


def _parse_text(text: pd.Series, style: NumberFormat) -> tuple[np.ndarray, np.ndarray]:
    """Return (numbers, which text is neither a number nor missing) for distinct values."""
    stripped = text.str.strip()
    present = ~style.is_missing(stripped)
    numbers, lower = pd.Series(np.nan, index=text.index), stripped.str.lower()
    if present.any() and lower[present].isin(TRUE | FALSE).all():
        return lower.isin(TRUE).astype(float).mask(~present).to_numpy(), np.zeros(len(text), bool)
    booleans = present & lower.isin(set(ALWAYS_BOOLEAN))
    numbers[booleans] = lower[booleans].map(ALWAYS_BOOLEAN)
    simple = stripped.str.translate(str.maketrans(",.", ".,")) if style.decimal == "," else stripped
    valid = present & pd.to_numeric(simple.where(present), errors="coerce").notna()
    numbers[valid] = (
        simple[valid].map(float).astype("float64")
    )  # pandas' own parser is off by a bit in one of four numbers
    unusual = present & ~valid & ~booleans
    if style.thousands and unusual.any():
        digits = _strip_thousands(stripped[unusual], style).dropna()
        numbers[digits.index] = digits.map(float).astype("float64")
        unusual &= numbers.isna()
    if unusual.any():
        numbers[unusual] = _parse_unusual(stripped[unusual], style, bool((numbers[valid] != 0).any()))
    return numbers.to_numpy(), (present & numbers.isna()).to_numpy()


def _strip_thousands(text: pd.Series, style: NumberFormat) -> pd.Series:
    """Return text with a decimal point and without thousands separators; missing where it has other characters."""
    separator = str(style.thousands)
    variants = {" ": SPACES, "'": APOSTROPHES}.get(separator, "")
    plain = text.str.replace(rf"[{variants}]", separator, regex=True) if variants else text
    pattern = rf"[-+]?{GROUPED.format(f'[{separator}]')}(?:[{style.decimal}]\d*)?"
    digits = plain.str.replace(separator, "", regex=False).str.replace(style.decimal, ".", regex=False)
    return digits.where(plain.str.fullmatch(pattern, na=False))


def _parse_unusual(text: pd.Series, style: NumberFormat, has_plain: bool) -> pd.Series:
    """Parse numbers with thousands separators, other signs, percent or a currency; NaN for other text."""
    parts = text.str.translate(PLAIN).str.extract(rf"^{NUMBER}$", flags=re.IGNORECASE)
    body = parts["body"].str.rstrip(" ")
    separator = style.thousands or ""
    grouped = GROUPED.format(f"[{separator}]") if separator else r"\d+"
    written = rf"(?:{grouped})?(?:[{style.decimal}]\d*)?"
    readable = body.str.fullmatch(written, na=False) & body.str.contains(r"\d", na=False)
    minus = (parts[["first", "second", "last"]] == "-").sum(axis=1) + parts["open"].notna()
    signs = parts[["first", "second", "last"]].notna().sum(axis=1) + parts["open"].notna()
    readable &= (parts["open"].notna() == parts["close"].notna()) & (signs <= 1)
    units = parts["before"].fillna(parts["after"]).str.lower()
    readable &= parts["before"].isna() | parts["after"].isna()
    readable &= ~((units == "%") & (has_plain | units.isna().any()))
    if units[readable].dropna().nunique() > 1:
        readable &= units.isna()
    digits = body.str.replace(separator, "", regex=False) if separator else body
    digits = digits.str.replace(style.decimal, ".", regex=False) + parts["exponent"].fillna("")
    numbers = digits.where(readable).map(float, na_action="ignore").astype("float64")
    return numbers.where(minus == 0, -numbers)
