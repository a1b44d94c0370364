"""Infers the target: the column to forecast, or all columns of a wide table that differ only by a number.

--target given ──► that column, or the columns of the glob
sensor1, sensor2, sensor3 … ──► all of them, each a series of its own
any other table ──► the column with the best name and position
"""

import fnmatch
import re
from typing import NamedTuple

import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, join_names, resolve_column
from tasks.profiling.vocabulary import COVARIATE_WORDS, ID_WORDS, TARGET_NAMES, TARGET_WORDS, WEATHER_WORDS
from tasks.sources import unpivot

GLOB_CHARACTERS = set("*?[")
MIN_WIDE_COLUMNS = 3  # columns with the same name but for a number
MIN_WIDE_SHARE = 0.8  # of the numeric columns
SURE_LEAD, LIKELY_LEAD = 4, 2  # how far the best rank is ahead of the second
NAMED_RANK = 5  # a rank that only a column with the name of a target has


class TargetColumns(NamedTuple):
    """`columns.y` of the pipeline, the columns that it matches, and the evidence."""

    y: str | tuple[str, ...]
    columns: tuple[str, ...]
    inference: Inference


def infer_target(
    frame: pd.DataFrame, others: dict[str, ColumnProfile], redundant: dict[str, str], hints: Hints, table: str
) -> TargetColumns:
    """Choose the column or columns to forecast.

    Args:
        frame: The table with numeric columns as numbers.
        others: The columns except time and series.
        redundant: The columns without information of their own, with the reason.
        hints: What the user states.
        table: The table, named in errors.

    Returns:
        The target columns.

    Raises:
        SpecError: A hint names a column that the table does not have.
        CannotInferPipeline: No numeric column changes, or the hinted column is not numeric.
    """
    numeric = numeric_columns(others)
    if hints.target:
        return _hinted_target(hints.target, frame, others, numeric, table)
    changing = [name for name in numeric if frame[name].nunique() > 1]
    informative = [name for name in changing if name not in redundant or _has_target_name(name)] or changing
    if not informative:
        shown = join_names([repr(name) for name in others], 12) or "nothing"
        raise CannotInferPipeline(
            f"{table} has no column of numbers that change, so there is nothing to forecast; besides time it has: "
            f"{shown}."
        )
    wide = find_wide_columns(informative)
    if wide and not any(_has_target_name(name) for name in informative):
        y, columns = wide
        evidence = f"{_describe_wide(columns)}; only one of them? --target"
        return TargetColumns(y, tuple(columns), Inference("y", join_names(y, 4), "likely", evidence))
    return _best_target(informative, frame)


def numeric_columns(columns: dict[str, ColumnProfile]) -> list[str]:
    """Return the names of the numeric columns."""
    return [name for name, profile in columns.items() if profile.kind in ("integer", "number", "epoch")]


def _hinted_target(
    hint: str, frame: pd.DataFrame, others: dict[str, ColumnProfile], numeric: list[str], table: str
) -> TargetColumns:
    if GLOB_CHARACTERS & set(hint) and hint not in others:
        columns = [name for name in unpivot.match_columns([hint], numeric, ()) if name in numeric]
        if columns:
            return TargetColumns((hint,), tuple(columns), Inference("y", hint, "given", _describe_wide(columns)))
    y = resolve_column(hint, others, "--target", table)
    if y not in numeric:
        raise CannotInferPipeline(
            f"column {y!r} of {table} holds {others[y].kind}, not numbers; name another column with --target."
        )
    return TargetColumns(y, (y,), Inference("y", y, "given", _describe_range(frame[y])))


def find_wide_columns(names: list[str]) -> tuple[tuple[str, ...], list[str]] | None:
    """Find columns whose names are the same but for a number at the end, if most columns are such.

    Args:
        names: The numeric columns.

    Returns:
        Globs or names for `columns.y`, and the columns that they match; None if the table is not wide.
    """
    stems: dict[str, list[str]] = {}
    for name in names:
        if match := re.fullmatch(r"(.*?[^\d\W].*?|.*?[A-Za-z_ ])\d+", name):
            stems.setdefault(match[1], []).append(name)
    stem, columns = max(stems.items(), key=lambda item: len(item[1]), default=("", []))
    if len(columns) < MIN_WIDE_COLUMNS or len(columns) < MIN_WIDE_SHARE * len(names):
        return None
    glob = f"{stem}*"
    matched = [name for name in names if fnmatch.fnmatchcase(name, glob)]
    return ((glob,), columns) if matched == columns and not GLOB_CHARACTERS & set(stem) else (tuple(columns), columns)


def _best_target(names: list[str], frame: pd.DataFrame) -> TargetColumns:
    ranks = {name: _rank(name, position, len(names), frame) for position, name in enumerate(names)}
    best = max(names, key=lambda name: ranks[name])
    values = _describe_range(frame[best])
    if len(names) == 1:
        evidence = f"the only column of numbers that change; {values}"
        return TargetColumns(best, (best,), Inference("y", best, "sure", evidence))
    lead = ranks[best] - max(ranks[name] for name in names if name != best)
    confidence = "sure" if lead >= SURE_LEAD else "likely" if lead >= LIKELY_LEAD else "unsure"
    rivals = [name for name in names if name != best and ranks[name] >= 0]
    evidence = f"by its {'name' if ranks[best] >= NAMED_RANK else 'position'}, {values}"
    evidence += f"; or {join_names(rivals, 4)}? Choose with --target" if rivals and confidence != "sure" else ""
    return TargetColumns(best, (best,), Inference("y", best, confidence, evidence))


def _rank(name: str, position: int, count: int, frame: pd.DataFrame) -> float:
    """Rank by the words of the name, then by position, because a target is usually the first or last column."""
    words = column_name_words(name)
    rank = 10.0 * bool(words & TARGET_NAMES) + (5.0 if words & TARGET_WORDS else 3.0 if "volume" in words else 0.0)
    rank -= 6.0 * bool(words & WEATHER_WORDS) + 6.0 * bool(words & COVARIATE_WORDS)
    rank -= 6.0 * bool(words & ID_WORDS - {"name"})
    rank += 1.5 * (position == count - 1) + 1.0 * (position == 0)
    return rank - 4.0 * float(frame[name].isna().mean())


def _has_target_name(name: str) -> bool:
    return bool(column_name_words(name) & TARGET_NAMES)


def _describe_range(values: pd.Series) -> str:
    known = values.dropna()
    kind = "whole numbers" if (known % 1 == 0).all() else "numbers"
    gaps = f", {values.isna().mean():.1%} empty".replace("%", " %") if values.isna().any() else ""
    return f"{kind} from {known.min():g} to {known.max():g}{gaps}" if len(known) else "empty"


def _describe_wide(columns: list[str]) -> str:
    return f"{len(columns)} similar columns, each a series of its own: {join_names(columns, 4)}"
