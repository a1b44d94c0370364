"""Infers the target: the column to forecast, or all columns of a wide table that are alike.

--target given ──► that column, or the columns of the glob
sensor1, sensor2, sensor3 … ──► all of them, each a series of its own
any other table ──► the column with the best name, then the one that its past tells most about
"""

from typing import NamedTuple

import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, join_names, resolve_column
from tasks.profiling.parsed_table import ParsedTable
from tasks.profiling.vocabulary import COVARIATE_WORDS, ID_WORDS, TARGET_NAMES, TARGET_WORDS, WEATHER_WORDS
from tasks.profiling.wide_columns import GLOB_CHARACTERS, find_wide_columns, target_globs
from tasks.sources import unpivot

MEMORY_WEIGHT = 4.0  # ranks of an autocorrelation of 1: less than a name counts
DEFAULT_SEASON = 24  # rows
SURE_LEAD, LIKELY_LEAD = 4, 2  # how far the best rank is ahead of the second
NAMED_RANK = 5  # a rank that only a column with the name of a target has


class TargetColumns(NamedTuple):
    """`columns.y` of the pipeline, the columns that it matches, and the evidence."""

    y: str | tuple[str, ...]
    columns: tuple[str, ...]
    inference: Inference


def infer_target(
    parsed: ParsedTable, others: dict[str, ColumnProfile], redundant: dict[str, str], hints: Hints, table: str
) -> TargetColumns:
    """Choose the column or columns to forecast.

    Args:
        parsed: The table with numeric columns as numbers, its times and series.
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
    frame, numeric = parsed.frame, numeric_columns(others)
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
    wide = None if any(_has_target_name(name) for name in informative) else find_wide_columns(informative)
    if wide:
        evidence = f"{_describe_wide(list(wide.columns))}; {wide.note}"
        return TargetColumns(wide.y, wide.columns, Inference("y", join_names(wide.y, 4), wide.confidence, evidence))
    groups = join_names([f"--target {glob!r}" for glob in target_globs(informative)], 3)
    alternative = f"or several columns, each a series: {groups}" if groups else ""
    return _best_target(informative, parsed, alternative)


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


def _best_target(names: list[str], parsed: ParsedTable, alternative: str) -> TargetColumns:
    """Choose by the words of the names, then by how much a column remembers; the order of the columns says nothing."""
    frame = parsed.frame
    values = _describe_range(frame[names[0]])
    if len(names) == 1:
        evidence = f"the only column of numbers that change; {values}"
        return TargetColumns(names[0], (names[0],), Inference("y", names[0], "sure", evidence))
    by_name = {name: _rank_name(name) - 4.0 * float(frame[name].isna().mean()) for name in names}
    remembered = parsed.measure_memory(names, DEFAULT_SEASON)
    ranks = {name: by_name[name] + MEMORY_WEIGHT * remembered[name] for name in names}
    best = max(names, key=lambda name: ranks[name])
    lead = ranks[best] - max(ranks[name] for name in names if name != best)
    confidence = "sure" if lead >= SURE_LEAD else "likely" if lead >= LIKELY_LEAD else "unsure"
    rivals = [name for name in names if name != best and ranks[name] >= 0]
    reason = "name" if by_name[best] >= NAMED_RANK else f"memory (autocorrelation {remembered[best]:.2f})"
    evidence = f"by its {reason}, {_describe_range(frame[best])}"
    evidence += f"; or {join_names(rivals, 4)}? Choose with --target" if rivals and confidence != "sure" else ""
    evidence += f"; {alternative}" if alternative and confidence != "sure" else ""
    return TargetColumns(best, (best,), Inference("y", best, confidence, evidence))


def _rank_name(name: str) -> float:
    """Rank by the words of the name: the names of targets above, those of weather, covariates and ids below 0."""
    words = column_name_words(name)
    rank = 10.0 * bool(words & TARGET_NAMES) + (5.0 if words & TARGET_WORDS else 3.0 if "volume" in words else 0.0)
    return (
        rank
        - 6.0 * bool(words & WEATHER_WORDS)
        - 6.0 * bool(words & COVARIATE_WORDS)
        - 6.0 * bool(words & ID_WORDS - {"name"})
    )


def _has_target_name(name: str) -> bool:
    return bool(column_name_words(name) & TARGET_NAMES)


def _describe_range(values: pd.Series) -> str:
    known = values.dropna()
    kind = "whole numbers" if (known % 1 == 0).all() else "numbers"
    gaps = f", {values.isna().mean():.1%} empty".replace("%", " %") if values.isna().any() else ""
    return f"{kind} from {known.min():g} to {known.max():g}{gaps}" if len(known) else "empty"


def _describe_wide(columns: list[str]) -> str:
    return f"{len(columns)} similar columns, each a series of its own: {join_names(columns, 4)}"
