"""Which column of an unknown table is forecast, and what the others are to it: observed, static, or nothing."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks._guess_kinds import Told, words_of
from tasks._guess_lexicon import BESIDE, COUNTER, ID, LIKELY, TARGET, WEATHER
from tasks._guess_words import Finding, Hints, Unguessable, known_column, listed
from tasks.ingestion import OURS

MOST = 12  # observed covariates that are taken: more columns make a network slower, and seldom better
CATEGORIES = 100
CALENDAR = ("minute", "hour", "dayofweek", "day", "dayofyear", "week", "month", "quarter")


class Roles(NamedTuple):
    y: str
    observed: tuple[str, ...]
    static: tuple[str, ...]
    findings: tuple[Finding, ...]


def roles_of(
    frame: pd.DataFrame, time: str, ids: str | None, kinds: dict[str, Told], hints: Hints, where: str
) -> Roles:
    """`frame` has numbers as numbers and `time` in UTC. Raises SpecError for a hint that is no column, Unguessable."""
    rest = {name: told for name, told in kinds.items() if name not in (time, ids)}
    numeric = [name for name, told in rest.items() if told.holds in ("integer", "number", "epoch")]
    idle = {name: why for name in numeric if (why := _idle(frame, name, time))}
    if hints.target:
        y = known_column(hints.target, rest, "--target", where)
        if y not in numeric:
            raise Unguessable(
                f"column {y!r} of {where} holds {kinds[y].holds}, not numbers; name another with --target."
            )
        target = Finding("y", y, "given", _range(frame[y]))
    else:
        changing = [name for name in numeric if frame[name].nunique() > 1]
        fit = [name for name in changing if name not in idle or words_of(name) & TARGET] or changing
        y, target = _target(fit, frame, where, rest)
    numeric += [name for name, told in rest.items() if told.holds == "boolean" and told.typed]
    open_ = [name for name in numeric if name not in (y, *idle) and name not in OURS and frame[name].nunique() > 1]
    observed = _nearest(open_, frame, y) if len(open_) > MOST else open_
    static = tuple(name for name in rest if name not in (y, *observed) and _static(frame, name, ids, rest[name]))
    observed = [name for name in observed if name not in static]
    return Roles(
        y, tuple(observed), static, (target, *_covariates(observed, static, open_, idle, rest, (frame, time, y)))
    )


def _target(names: list[str], frame: pd.DataFrame, where: str, rest: dict[str, Told]) -> tuple[str, Finding]:
    if not names:
        others = listed([repr(name) for name in rest], 12) or "nothing"
        raise Unguessable(
            f"{where} has no column of numbers that change, so nothing to forecast; beside time: {others}."
        )
    ranks = {name: _rank(name, place, len(names), frame) for place, name in enumerate(names)}
    best = max(names, key=lambda name: ranks[name])
    rivals = [name for name in names if name != best and ranks[name] >= 0]
    ahead = ranks[best] - max([ranks[name] for name in names if name != best], default=-10)
    if len(names) == 1:
        return best, Finding("y", best, "sure", f"the only column of numbers that change; {_range(frame[best])}")
    sure = "sure" if ahead >= 4 else "likely" if ahead >= 2 else "unsure"
    why = "by its name" if ranks[best] >= 5 else "by its place"
    why += f", {_range(frame[best])}"
    why += f"; or {listed(rivals, 4)}? Choose with --target" if rivals and sure != "sure" else ""
    return best, Finding("y", best, sure, why)


def _rank(name: str, place: int, count: int, frame: pd.DataFrame) -> float:
    """By the words of its name, then by its place: targets stand first or last."""
    words = words_of(name)
    rank = 10.0 * bool(words & TARGET) + (5.0 if words & LIKELY else 3.0 if "volume" in words else 0.0)
    rank -= 6.0 * bool(words & WEATHER) + 6.0 * bool(words & BESIDE) + 6.0 * bool(words & ID - {"name"})
    rank += 1.5 * (place == count - 1) + 1.0 * (place == 0)
    return rank - 4.0 * float(frame[name].isna().mean())


def _range(values: pd.Series) -> str:
    known = values.dropna()
    whole = "whole numbers" if (known % 1 == 0).all() else "numbers"
    gaps = f", {values.isna().mean():.1%} empty".replace("%", " %") if values.isna().any() else ""
    return f"{whole} from {known.min():g} to {known.max():g}{gaps}" if len(known) else "empty"


def _idle(frame: pd.DataFrame, name: str, time: str) -> str | None:
    """Why a column of numbers says nothing: it is one number, counts rows, or the calendar knows it."""
    values = frame[name]
    if values.nunique() < 2:
        return "it never changes"
    steps = values.diff().dropna()
    if len(steps) > 2 and steps.nunique() == 1 and words_of(name) & COUNTER:
        return "it counts the rows"
    if word := _calendar(values, frame[time]):
        return f"the calendar says it ({word})"
    return None


def _calendar(values: pd.Series, times: pd.Series) -> str | None:
    known = pd.DataFrame({"value": values, "time": times}).dropna()
    if known["value"].nunique() > 400:
        return None
    day = known["time"].dt.normalize()
    for word in CALENDAR:
        place = known["time"].dt.isocalendar().week if word == "week" else getattr(known["time"].dt, word)
        groups = known.assign(day=day).groupby(place.astype(int))
        if groups.ngroups > 1 and groups["day"].nunique().median() >= 2 and (groups["value"].nunique() == 1).all():
            return word
    return None


def _nearest(names: list[str], frame: pd.DataFrame, y: str) -> list[str]:
    """The ones that go with the target most, in the order of the table."""
    near = {name: abs(frame[name].astype(float).corr(frame[y].astype(float))) for name in names}
    best = sorted(names, key=lambda name: -np.nan_to_num(near[name]))[:MOST]
    return [name for name in names if name in best]


def _static(frame: pd.DataFrame, name: str, ids: str | None, told: Told) -> bool:
    """One value a series, and fewer values than series: else it says no more than the series' name."""
    if ids is None or told.holds == "time" or name in OURS:
        return False
    count = frame[name].nunique()
    if not 1 < count <= min(CATEGORIES, frame[ids].nunique() - 1):
        return False
    return bool((frame.groupby(ids)[name].nunique() <= 1).all())


def _covariates(
    observed: list[str],
    static: tuple[str, ...],
    fit: list[str],
    idle: dict[str, str],
    rest: dict[str, Told],
    table: tuple[pd.DataFrame, str, str],
) -> list[Finding]:
    told = []
    if observed:
        ahead = _told_ahead(observed, *table)
        why = "numbers that nobody knows ahead, as far as the table says"
        if ahead:
            why += f"; {listed(ahead)} has values after the last {table[2]}: known ahead? Move it to features.known"
        left = len(fit) - len(observed) - len([name for name in fit if name in static])
        why += f"; {left} more were left out" if left > 0 else ""
        told.append(Finding("observed", listed(observed, MOST), "likely", why))
    if static:
        told.append(Finding("static", listed(static), "sure", "one value a series"))
    used = {table[1], table[2], *observed, *static}
    unused = [f"{name} ({idle.get(name) or rest[name].holds})" for name in rest if name not in used]
    return told + ([Finding("not used", listed(unused, 12), None, "")] if unused else [])


def _told_ahead(names: list[str], frame: pd.DataFrame, time: str, y: str) -> list[str]:
    """Covariates with values later than the last target: somebody knows them ahead."""
    last = frame.loc[frame[y].notna(), time].max()
    later = frame[frame[time] > last]
    return [name for name in names if len(later) and later[name].notna().any()]
