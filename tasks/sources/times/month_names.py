"""Names of months and weekdays in several languages, from the language data of dateparser, written as Jan … Dec."""

import importlib
import re
from functools import cache

import pandas as pd

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_KEYS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
              "november", "december")  # fmt: skip
WEEKDAY_KEYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "sk", "hu", "ro", "hr", "sl",
             "tr", "ru", "uk", "bg", "sr", "el", "et", "lv", "lt", "ca", "id")  # fmt: skip
FILLERS = frozenset(("de", "del", "of", "the", "den", "d"))  # 21 de enero de 2024
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*\.?")
ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|er)\b", re.IGNORECASE)  # 21st
SEPARATORS = r"[\s.,/_-]+"
MAX_SAMPLED_TEXTS = 500


def translate_months(dates: pd.Series) -> pd.Series:
    """Write dates with the name of a month in one manner: `21-März-24` becomes `21 Mar 24`.

    Args:
        dates: Dates as text, without a time of day.

    Returns:
        The same text; where it has the name of a month, the name is the English abbreviation, weekdays are removed, and
        the separators are spaces. The language is the one that knows most of the names.
    """
    named = dates.str.contains(r"[^\W\d_]{2,}", na=False)
    if not named.any():
        return dates
    texts = dates[named]
    vocabulary = _vocabulary(_choose_language(texts))
    translated = {text: _translate(text, vocabulary) for text in texts.unique()}
    return dates.where(~named, texts.map(translated).astype("str").reindex(dates.index))


def _choose_language(texts: pd.Series) -> str:
    """Return the language that knows most of the words; English first."""
    sample = texts.drop_duplicates()
    sample = sample.iloc[:: max(1, len(sample) // MAX_SAMPLED_TEXTS)]
    words = {word for text in sample for word in _words(text)} - FILLERS
    counts: dict[str, int] = {}
    for language in LANGUAGES:
        counts[language] = len(words & _vocabulary(language).keys())
        if counts[language] == len(words):
            return language
    return max(counts, key=lambda language: counts[language])


def _words(text: str) -> list[str]:
    return [word.rstrip(".").lower() for word in WORD.findall(ORDINAL.sub("", text))]


def _translate(text: str, vocabulary: dict[str, str]) -> str:
    """Translate a date if one of its words is a month; otherwise only drop the name of a weekday."""
    words = _words(text)
    months = [vocabulary[word] for word in words if vocabulary.get(word)]
    known = all(word in vocabulary or word in FILLERS for word in words)
    if not known:
        return text
    plain = WORD.sub(
        lambda match: f" {vocabulary.get(match[0].rstrip('.').lower(), '')} " if months else " ", ORDINAL.sub("", text)
    )
    return re.sub(SEPARATORS, " ", plain).strip() if months else plain.strip(" ,.")


@cache
def _vocabulary(language: str) -> dict[str, str]:
    """Return the words of a language in lower case: a month with its abbreviation, a weekday with nothing."""
    if language == "en":
        info = {key: [key, key[:3], "sept"] if key == "september" else [key, key[:3]] for key in MONTH_KEYS}
        info |= {key: [key, key[:3], key[:4]] for key in WEEKDAY_KEYS}
    else:
        info = importlib.import_module(f"dateparser.data.date_translation_data.{language}").info
    words = {_plain(word): "" for key in WEEKDAY_KEYS for word in info.get(key, ())}
    months = {_plain(word): month for key, month in zip(MONTH_KEYS, MONTHS, strict=True) for word in info.get(key, ())}
    return words | {word: month for word, month in months.items() if len(word) > 1 and " " not in word}


def _plain(word: str) -> str:
    return word.rstrip(".").lower()
