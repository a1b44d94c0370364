"""Frequencies as people write them: aliases of older pandas are understood, words are answered with the alias."""

import re

OLD_ALIASES = {
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "U": "us",
    "N": "ns",
    "BH": "bh",
    "CBH": "cbh",
    "M": "ME",
    "BM": "BME",
    "CBM": "CBME",
    "SM": "SME",
    "Q": "QE",
    "BQ": "BQE",
    "Y": "YE",
    "A": "YE",
    "BY": "BYE",
    "BA": "BYE",
    "AS": "YS",
    "BAS": "BYS",
    "d": "D",
    "b": "B",
    "w": "W",
}
"""What an alias means in pandas before 2.2."""

WORDS = {
    ("minutely", "minute", "minutes"): "min",
    ("hourly", "hour", "hours"): "h",
    ("half-hourly", "half-hour"): "30min",
    ("quarter-hourly",): "15min",
    ("daily", "day", "days", "calendar day"): "D",
    ("business day", "business days", "weekdays", "workdays", "trading days"): "B",
    ("weekly", "week", "weeks"): "W-MON … W-SUN with the weekday of the stamps",
    ("biweekly", "fortnightly", "fortnight"): "2W-MON … 2W-SUN with the weekday of the stamps",
    ("monthly", "month", "months"): "MS if stamps are the first day of a month, ME if they are the last",
    ("quarterly", "quarter", "quarters"): "QS if stamps are the first day of a quarter, QE if they are the last",
    ("yearly", "annually", "annual", "year", "years"): "YS if stamps are the first day of a year, YE if the last",
    ("m",): "min for minutes, MS or ME for months",
}
SUGGESTIONS = {word: alias for words, alias in WORDS.items() for word in words}
ALIAS = re.compile(r"(-?\d*)([A-Za-z]+)((?:-\w+)*)")


def modern_frequency(freq: str) -> str:
    """Replace aliases of pandas before 2.2 with those of today: 15T becomes 15min, Q-DEC becomes QE-DEC."""
    match = ALIAS.fullmatch(freq.strip())
    if not match:
        return freq.strip()
    count, alias, anchor = match.groups()
    return f"{count}{OLD_ALIASES.get(alias, alias)}{anchor.upper()}"


def suggest_alias(freq: str) -> str | None:
    """Return what to write for a word such as hourly or 5m; None for other text."""
    plain = " ".join(freq.strip().lower().split())
    match = re.fullmatch(r"(?:(?:every )?(\d+) ?)?([a-z][a-z -]*)", plain)
    if not match:
        return None
    count, word = match.groups()
    alias = SUGGESTIONS.get(word)
    return f"{count}{alias}" if alias and count and int(count) > 1 and " " not in alias else alias
