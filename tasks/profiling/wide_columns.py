"""Finds groups of columns that are alike but for a number or a last word: the targets of a wide table.

zone_1 … zone_20, temp_1 … temp_11 ──► targets zone_*, covariates temp_*
"""

import fnmatch
import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.profiling.column_types import column_name_words
from tasks.profiling.vocabulary import COVARIATE_WORDS, TARGET_WORDS, WEATHER_WORDS

GLOB_CHARACTERS = set("*?[")
MIN_WIDE_COLUMNS = 3  # columns that are alike
MIN_WIDE_SHARE = 0.8  # of the columns that are no weather and no covariates by their names
NUMBERED = re.compile(r"(.*?[^\d\W].*?|.*?[A-Za-z_ ])\d+")
WORDED = re.compile(r"(.*[^\W_].*?[_ .\-])[^\W_]+")


class WideColumns(NamedTuple):
    """The target columns of a wide table: `columns.y`, the columns that it matches, and how certain that is."""

    y: tuple[str, ...]
    columns: tuple[str, ...]
    confidence: str
    note: str


def find_wide_columns(names: list[str]) -> WideColumns | None:
    """Find the columns that are each a series of their own.

    Args:
        names: The numeric columns.

    Returns:
        The largest group of alike columns, if it holds most columns besides weather and other covariates; two alike
        columns if they are the only ones. None if the table is not wide.
    """
    main = [name for name in names if not _has_covariate_name(name)] or names
    for pattern, confidence in ((NUMBERED, "likely"), (WORDED, "unsure")):
        stem, columns = max(_group(main, pattern).items(), key=lambda item: len(item[1]), default=("", []))
        if any(column_name_words(name) & TARGET_WORDS for name in main if name not in columns):
            continue
        if len(columns) >= MIN_WIDE_COLUMNS and len(columns) >= MIN_WIDE_SHARE * len(main):
            return WideColumns(_globs(stem, columns, names), tuple(columns), confidence, "only one of them? --target")
        if len(columns) == len(main) == MIN_WIDE_COLUMNS - 1:
            note = f"two alike columns; only one of them? --target {columns[0]!r}"
            return WideColumns(_globs(stem, columns, names), tuple(columns), "unsure", note)
    return None


def target_globs(names: list[str]) -> list[str]:
    """Return a glob for each group of numbered columns, which a user may choose with `--target`."""
    groups = _group([name for name in names if not _has_covariate_name(name)], NUMBERED)
    return [f"{stem}*" for stem, columns in groups.items() if len(columns) >= MIN_WIDE_COLUMNS]


def _has_covariate_name(name: str) -> bool:
    return bool(column_name_words(re.sub(r"\d+$", "", name)) & (WEATHER_WORDS | COVARIATE_WORDS))


def _group(names: Sequence[str], pattern: re.Pattern[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        if match := pattern.fullmatch(name):
            groups.setdefault(match[1], []).append(name)
    return groups


def _globs(stem: str, columns: list[str], names: list[str]) -> tuple[str, ...]:
    """Return one glob if it matches exactly these columns, otherwise their names."""
    glob = f"{stem}*"
    matched = [name for name in names if fnmatch.fnmatchcase(name, glob)]
    return (glob,) if matched == columns and not GLOB_CHARACTERS & set(stem) else tuple(columns)
