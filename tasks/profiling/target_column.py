"""Which column of an unknown table is forecast, or which columns, where they are alike."""

import fnmatch
import re
from typing import NamedTuple

import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, join_names, resolve_column
from tasks.profiling.vocabulary import COVARIATE_WORDS, ID, TARGET_NAMES, TARGET_WORDS, WEATHER
from tasks.sources import unpivot

GLOB = set("*?[")


class Target(NamedTuple):
    """What the pipeline says of y, and the columns that it means."""

    y: str | tuple[str, ...]
    columns: tuple[str, ...]
    finding: Inference


def infer_target(
    frame: pd.DataFrame, rest: dict[str, ColumnProfile], idle: dict[str, str], hints: Hints, where: str
) -> Target:
    """`rest` are the columns beside time and id, `idle` those that say nothing. Raises SpecError, Unguessable."""
    numeric = numbers_among(rest)
    if hints.target:
        return _hinted(hints.target, frame, rest, numeric, where)
    changing = [name for name in numeric if frame[name].nunique() > 1]
    fit = [name for name in changing if name not in idle or column_name_words(name) & TARGET_NAMES] or changing
    if not fit:
        others = join_names([repr(name) for name in rest], 12) or "nothing"
        raise CannotInferPipeline(
            f"{where} has no column of numbers that change, so nothing to forecast; beside time: {others}."
        )
    if (wide := alike(fit)) and not any(column_name_words(name) & TARGET_NAMES for name in fit):
        y, columns = wide
        why = f"{told(columns)}; one of them alone? --target"
        return Target(y, tuple(columns), Inference("y", join_names(y, 4), "likely", why))
    return _best(fit, frame)


def numbers_among(columns: dict[str, ColumnProfile]) -> list[str]:
    return [name for name, told in columns.items() if told.kind in ("integer", "number", "epoch")]


def _hinted(hint: str, frame: pd.DataFrame, rest: dict[str, ColumnProfile], numeric: list[str], where: str) -> Target:
    if GLOB & set(hint) and hint not in rest:
        columns = [name for name in unpivot.match_columns([hint], numeric, ()) if name in numeric]
        if columns:
            return Target((hint,), tuple(columns), Inference("y", hint, "given", told(columns)))
    y = resolve_column(hint, rest, "--target", where)
    if y not in numeric:
        raise CannotInferPipeline(
            f"column {y!r} of {where} holds {rest[y].kind}, not numbers; name another with --target."
        )
    return Target(y, (y,), Inference("y", y, "given", _range(frame[y])))


def _best(names: list[str], frame: pd.DataFrame) -> Target:
    ranks = {name: _rank(name, place, len(names), frame) for place, name in enumerate(names)}
    best = max(names, key=lambda name: ranks[name])
    if len(names) == 1:
        why = f"the only column of numbers that change; {_range(frame[best])}"
        return Target(best, (best,), Inference("y", best, "sure", why))
    ahead = ranks[best] - max(ranks[name] for name in names if name != best)
    sure = "sure" if ahead >= 4 else "likely" if ahead >= 2 else "unsure"
    rivals = [name for name in names if name != best and ranks[name] >= 0]
    why = f"by its {'name' if ranks[best] >= 5 else 'place'}, {_range(frame[best])}"
    why += f"; or {join_names(rivals, 4)}? Choose with --target" if rivals and sure != "sure" else ""
    return Target(best, (best,), Inference("y", best, sure, why))


def _rank(name: str, place: int, count: int, frame: pd.DataFrame) -> float:
    """By the words of its name, then by its place: targets stand first or last."""
    words = column_name_words(name)
    rank = 10.0 * bool(words & TARGET_NAMES) + (5.0 if words & TARGET_WORDS else 3.0 if "volume" in words else 0.0)
    rank -= 6.0 * bool(words & WEATHER) + 6.0 * bool(words & COVARIATE_WORDS) + 6.0 * bool(words & ID - {"name"})
    rank += 1.5 * (place == count - 1) + 1.0 * (place == 0)
    return rank - 4.0 * float(frame[name].isna().mean())


def _range(values: pd.Series) -> str:
    known = values.dropna()
    whole = "whole numbers" if (known % 1 == 0).all() else "numbers"
    gaps = f", {values.isna().mean():.1%} empty".replace("%", " %") if values.isna().any() else ""
    return f"{whole} from {known.min():g} to {known.max():g}{gaps}" if len(known) else "empty"


FEWEST = 3  # columns of one stem
MOSTLY = 0.8  # share of the numeric columns that they must be


def alike(names: list[str]) -> tuple[tuple[str, ...], list[str]] | None:
    """(globs or names for columns.y, the columns that they mean), where most of `names` are one stem and a number."""
    stems: dict[str, list[str]] = {}
    for name in names:
        if found := re.fullmatch(r"(.*?[^\d\W].*?|.*?[A-Za-z_ ])\d+", name):
            stems.setdefault(found[1], []).append(name)
    stem, most = max(stems.items(), key=lambda item: len(item[1]), default=("", []))
    if len(most) < FEWEST or len(most) < MOSTLY * len(names):
        return None
    glob = f"{stem}*"
    means = [name for name in names if fnmatch.fnmatchcase(name, glob)]
    return ((glob,), most) if means == most and not re.search(r"[*?\[]", stem) else (tuple(most), most)


def told(columns: list[str]) -> str:
    return f"{len(columns)} columns that are alike, each a series of its own: {join_names(columns, 4)}"
