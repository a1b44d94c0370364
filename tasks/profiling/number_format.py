"""Infers how the text of an unknown table writes numbers: separators, and signs for missing values."""

from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from tasks.profiling.inference import Hints, Inference, join_names
from tasks.sources.number_formats import NUMBER_FORMATS, describe_settings, is_ambiguous, share_of_numbers
from tasks.sources.numbers import NumberFormat, parse_numbers

MAX_SAMPLED_ROWS = 20_000
MAX_COMPARED_ROWS = 1000  # on which the formats are compared, spread over the sample
MIN_MATCHING_SHARE = 0.9  # of the values of a column that must be numbers
MIN_SHARE_BESIDE_SIGN = 0.5  # the same, if all other values are one sign
MAX_SIGN_CHARACTERS = 12
PLAIN_NUMBER = r"-?\d+(?:\.\d+)?"
MIN_SIGN_ROWS = 2
SENTINELS = (-999.0, -9999.0, -99999.0, -999.9, -9999.9)  # of files of measurements
SENTINEL_GAP = 10  # a sentinel is at least so many times as far from 0 as every other negative value


class FormatInference(NamedTuple):
    """The format, and the evidence for it; no evidence if plain numbers are all that the table has."""

    style: NumberFormat
    inferences: tuple[Inference, ...]


def infer_number_format(table: pa.Table, hints: Hints, *, semicolons: bool = False) -> FormatInference:
    """Infer the one format that reads most columns of text as numbers.

    Args:
        table: The table, of which text columns are looked at for separators and every column for missing values.
        hints: What the user states.
        semicolons: Whether the delimiter of the file is a semicolon, as where the comma separates decimals.

    Returns:
        The format with its evidence; `unsure` if the values allow two formats.
    """
    sample = table.slice(0, MAX_SAMPLED_ROWS)
    names = [name for name in table.column_names if table.column_names.count(name) == 1]
    texts = {name: sample[name].to_pandas() for name in names if pa.types.is_string(sample[name].type)}
    allowed = [style for style in NUMBER_FORMATS if _fits_hints(style, hints)] or [_hinted(hints)]
    every = max(1, sample.num_rows // MAX_COMPARED_ROWS)
    compared = {name: text.iloc[::every] for name, text in texts.items()}
    plain = {name for name, text in compared.items() if _are_plain(text)}  # any format with a point reads these
    written = {name: text for name, text in compared.items() if name not in plain and _may_be_numbers(text)}
    signs = _find_signs(texts, written, allowed)
    styles = [style._replace(missing=signs) for style in allowed]
    fitting = {
        style: [
            *(
                name
                for name in plain
                if style.decimal == "." or not compared[name].str.contains(".", regex=False).any()
            ),
            *(name for name, text in written.items() if share_of_numbers(text, style) >= MIN_MATCHING_SHARE),
        ]
        for style in styles
    }
    most = max(len(columns) for columns in fitting.values())
    candidates = [style for style in styles if len(fitting[style]) == most]
    style = candidates[0]
    separated = [name for name in fitting[style] if texts[name].str.contains(r"[., ']", na=False).any()]
    ambiguous = [name for name in separated if is_ambiguous(texts[name])]
    is_unsure = bool(ambiguous) and len(ambiguous) == len(separated) and not (hints.decimal or hints.thousands)
    if is_unsure and style.decimal == "," and not semicolons:  # in a file with commas, 1,234 is a thousand
        style = next((other for other in candidates if other.thousands == ","), style)
    sentinels = _find_sentinels(sample, names, style)
    final = style._replace(missing=(*signs, *sentinels))
    inferences = []
    if is_unsure and (style.decimal == "," or style.thousands or semicolons):
        inferences.append(_unsure(texts[ambiguous[0]], ambiguous[0], style))
    elif style[:2] != NUMBER_FORMATS[0][:2]:
        confidence = "given" if hints.decimal or hints.thousands else "sure"
        evidence = f"reads {join_names(separated, 4)}"
        inferences.append(Inference("numbers", _example(texts, separated, style), confidence, evidence))
    if final.missing:
        shown = join_names([str(sign) for sign in final.missing])
        evidence = "not numbers, or far from all others; correct source.missing if they are values"
        inferences.append(Inference("missing", shown, "likely", evidence))
    return FormatInference(final, tuple(inferences))


def _are_plain(text: pd.Series) -> bool:
    """Whether all values are numbers without any sign or separator that formats write differently."""
    known = text.dropna()
    return len(known) > 0 and bool(known.str.fullmatch(PLAIN_NUMBER).all()) and not is_ambiguous(known)


def _may_be_numbers(text: pd.Series) -> bool:
    """Whether at least some values have a digit, and most have no character that only dates and paths have."""
    known = text.dropna()
    if known.empty:
        return False
    return bool(known.str.contains(r"\d").any()) and float(known.str.contains(r"[:/]").mean()) < MIN_SHARE_BESIDE_SIGN


def _fits_hints(style: NumberFormat, hints: Hints) -> bool:
    return hints.decimal in (None, style.decimal) and hints.thousands in (None, style.thousands)


def _hinted(hints: Hints) -> NumberFormat:
    decimal = hints.decimal or ("," if hints.thousands == "." else ".")
    return NumberFormat(decimal, hints.thousands)


def _find_signs(
    texts: dict[str, pd.Series], compared: dict[str, pd.Series], styles: list[NumberFormat]
) -> tuple[str, ...]:
    """Return words that stand for missing values: the only text among the numbers of a column, more than once."""
    signs = []
    for name, few in compared.items():
        text = texts[name]
        shares = {style: share_of_numbers(few, style) for style in styles}
        style = max(styles, key=lambda style: shares[style])
        if shares[style] < MIN_SHARE_BESIDE_SIGN or share_of_numbers(text, style) == 1:
            continue
        words = text[parse_numbers(text, style).invalid].str.strip()
        word = str(words.iloc[0])
        is_word = len(word) <= MAX_SIGN_CHARACTERS and not any(letter.isdigit() for letter in word)
        if is_word and len(words) >= MIN_SIGN_ROWS and words.nunique() == 1:
            signs.append(word)
    return tuple(dict.fromkeys(signs))


def _find_sentinels(sample: pa.Table, names: list[str], style: NumberFormat) -> tuple[float, ...]:
    """Return numbers such as -999 that stand for missing values: repeated, and far below every other value."""
    sentinels = []
    for name in names:
        kind = sample[name].type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind)):
            continue
        values = sample[name].to_pandas()
        if pa.types.is_string(kind) and share_of_numbers(values, style) < MIN_MATCHING_SHARE:
            continue
        numbers = parse_numbers(values, style).numbers.dropna()
        lowest = float(numbers.min()) if len(numbers) else 0.0
        others = numbers[numbers != lowest]
        is_isolated = len(others) > 0 and others.min() > lowest / SENTINEL_GAP
        if lowest in SENTINELS and is_isolated and len(numbers) - len(others) >= MIN_SIGN_ROWS:
            sentinels.append(lowest)
    return tuple(dict.fromkeys(sentinels))


def _example(texts: dict[str, pd.Series], columns: list[str], style: NumberFormat) -> str:
    text = next((texts[name] for name in columns if (texts[name].str.len() > 0).any()), pd.Series(dtype="str"))
    numbers = parse_numbers(text, style).numbers.dropna()
    return f"{text[numbers.index[0]].strip()} is {numbers.iloc[0]:.15g}" if len(numbers) else describe_settings(style)


def _unsure(text: pd.Series, name: str, style: NumberFormat) -> Inference:
    """Describe the choice for values such as 1.234, which another format reads as another number."""
    value = text[text.str.contains(r"[.,]", na=False)].iloc[0].strip()
    mark = "," if "," in value else "."
    other = NumberFormat(mark) if style.thousands else NumberFormat("." if mark == "," else ",", mark)
    option = f"--thousands '{other.thousands}'" if other.thousands else f"--decimal '{other.decimal}'"
    number, alternative = (parse_numbers(pd.Series([value]), item).numbers[0] for item in (style, other))
    evidence = f"{name!r} does not show whether it is {alternative:.15g}; then use {option}"
    return Inference("numbers", f"{value} is {number:.15g}", "unsure", evidence)
