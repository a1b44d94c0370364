"""What becomes of rows that repeat a series and time: the newest version, the first row, or their mean or sum."""

import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words, parse_times
from tasks.profiling.inference import Hints, Inference, format_percent
from tasks.profiling.vocabulary import VERSION
from tasks.sources.spec import SourceSpec

SAME = 0.99  # share of repeated keys with one value of y: then any row of them says it
EVENTS = 0.2  # share of rows that repeat a key: more are no slips


def infer_version_column(
    frame: pd.DataFrame, key: list[str], kinds: dict[str, ColumnProfile], source: SourceSpec
) -> tuple[str | None, Inference | None]:
    """The column that says since when a row was known, where rows repeat a key and it tells them apart."""
    if not frame.dropna(subset=key).duplicated(key).any():
        return None, None
    for name, told in kinds.items():
        if told.kind == "time" and name not in key and column_name_words(name) & VERSION:
            known = parse_times(frame[name], source)
            rows = frame.assign(**{name: known})
            if known.notna().all() and not rows.duplicated([*key, name]).any() and (known >= frame[key[-1]]).all():
                why = "it tells apart rows of one time, and is never before it: the newest known counts"
                return name, Inference("known_at", name, "likely", why)
    return None, None


def infer_duplicate_policy(rows: pd.DataFrame, key: list[str], y: str, hints: Hints) -> tuple[str, Inference | None]:
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
        return hints.repeated, Inference("repeated", hints.repeated, "given", told)
    return policy, Inference(
        "repeated", policy, "sure" if same == 1 else "likely" if policy == "first" else "unsure", told
    )


def _policy(y: pd.Series, same: float, share: float) -> tuple[str, str]:
    if same >= SAME:
        return "first", f"{format_percent(same)} of these times have one value of {y.name}, the first row is used"
    known = y.dropna()
    if share > EVENTS and (known >= 0).all() and (known % 1 == 0).all():
        return (
            "sum",
            f"{y.name} differs in {format_percent(1 - same)} of these times and counts something, so it is added up",
        )
    return "mean", f"{y.name} differs in {format_percent(1 - same)} of these times, so its mean is taken"
