"""What becomes of rows that repeat a series and time: the newest version, the first row, or their mean or sum."""

import pandas as pd

from tasks.profiling.column_types import Told, times_of, words_of
from tasks.profiling.inference import Finding, Hints, percent
from tasks.profiling.vocabulary import VERSION
from tasks.sources.read import SourceSpec

SAME = 0.99  # share of repeated keys with one value of y: then any row of them says it
EVENTS = 0.2  # share of rows that repeat a key: more are no slips


def version_of(
    frame: pd.DataFrame, key: list[str], kinds: dict[str, Told], source: SourceSpec
) -> tuple[str | None, Finding | None]:
    """The column that says since when a row was known, where rows repeat a key and it tells them apart."""
    if not frame.dropna(subset=key).duplicated(key).any():
        return None, None
    for name, told in kinds.items():
        if told.holds == "time" and name not in key and words_of(name) & VERSION:
            known = times_of(frame[name], source)
            rows = frame.assign(**{name: known})
            if known.notna().all() and not rows.duplicated([*key, name]).any() and (known >= frame[key[-1]]).all():
                why = "it tells apart rows of one time, and is never before it: the newest known counts"
                return name, Finding("known_at", name, "likely", why)
    return None, None


def repeats_of(rows: pd.DataFrame, key: list[str], y: str, hints: Hints) -> tuple[str, Finding | None]:
    """(cleaning.repeated, what was found); `rows` have `y` as a number."""
    rows = rows.dropna(subset=key)
    again = rows.duplicated(key, keep=False)
    count = int(rows.duplicated(key).sum())
    if not count:
        return hints.repeated or "reject", None
    values = rows[again].groupby(key)[y]
    same = float((values.nunique() <= 1).mean())
    policy, why = _policy(rows[y], same, count / len(rows))
    told = f"{count:,} of {len(rows):,} rows repeat a time; {why}"
    if hints.repeated:
        return hints.repeated, Finding("repeated", hints.repeated, "given", told)
    return policy, Finding(
        "repeated", policy, "sure" if same == 1 else "likely" if policy == "first" else "unsure", told
    )


def _policy(y: pd.Series, same: float, share: float) -> tuple[str, str]:
    if same >= SAME:
        return "first", f"{percent(same)} of these times have one value of {y.name}, the first row is used"
    known = y.dropna()
    if share > EVENTS and (known >= 0).all() and (known % 1 == 0).all():
        return "sum", f"{y.name} differs in {percent(1 - same)} of these times and counts something, so it is added up"
    return "mean", f"{y.name} differs in {percent(1 - same)} of these times, so its mean is taken"
