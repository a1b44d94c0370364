"""Infers how to treat rows that repeat a series and time: newest version, first row, mean or sum."""

import pandas as pd

from tasks.profiling.column_types import ColumnProfile, column_name_words, parse_times
from tasks.profiling.inference import Hints, Inference, format_percent
from tasks.profiling.vocabulary import VERSION_WORDS
from tasks.sources.spec import SourceSpec

MIN_EQUAL_SHARE = 0.99  # of repeated keys that must have one value of y for any of their rows to do
MIN_EVENT_SHARE = 0.2  # of rows that repeat a key: a higher share is no accident, the rows are events


def infer_version_column(
    frame: pd.DataFrame, key: list[str], profiles: dict[str, ColumnProfile], source: SourceSpec
) -> tuple[str | None, Inference | None]:
    """Find the column that tells when a row became known, if rows repeat a key and it distinguishes them.

    Args:
        frame: The table, with the time column in UTC.
        key: The series column, if there is one, and the time column.
        profiles: The columns of the table by name.
        source: How the table is read.

    Returns:
        The column for `columns.known_at` and the evidence; None and None without such a column.
    """
    if not frame.dropna(subset=key).duplicated(key).any():
        return None, None
    for name, profile in profiles.items():
        if profile.kind == "time" and name not in key and column_name_words(name) & VERSION_WORDS:
            known = parse_times(frame[name], source.model_copy(update={"format": None}))
            rows = frame.assign(**{name: known})
            if known.notna().all() and not rows.duplicated([*key, name]).any() and (known >= frame[key[-1]]).all():
                evidence = "distinguishes rows of one time, and is never before it: the newest known row is used"
                return name, Inference("known_at", name, "likely", evidence)
    return None, None


def infer_duplicate_policy(rows: pd.DataFrame, key: list[str], y: str, hints: Hints) -> tuple[str, Inference | None]:
    """Choose the policy for rows that repeat a key.

    Args:
        rows: The table with `y` as a number.
        key: The series column, if there is one, and the time column.
        y: The target column.
        hints: What the user states.

    Returns:
        The value of `cleaning.repeated`, and the evidence if any row repeats a key.
    """
    rows = rows.dropna(subset=key)
    repeated = rows.duplicated(key, keep=False)
    count = int(rows.duplicated(key).sum())
    if not count:
        return hints.repeated or "reject", None
    values = rows[repeated].groupby(key)[y]
    equal_share = float((values.nunique() <= 1).mean())
    policy, reason = _choose_policy(rows[y], equal_share, count / len(rows))
    evidence = f"{count:,} of {len(rows):,} rows repeat a time; {reason}"
    if hints.repeated:
        return hints.repeated, Inference("repeated", hints.repeated, "given", evidence)
    confidence = "sure" if equal_share == 1 else "likely" if policy == "first" else "unsure"
    return policy, Inference("repeated", policy, confidence, evidence)


def _choose_policy(y: pd.Series, equal_share: float, repeated_share: float) -> tuple[str, str]:
    """Return the policy and the reason."""
    if equal_share >= MIN_EQUAL_SHARE:
        return (
            "first",
            f"{format_percent(equal_share)} of these times have one value of {y.name}: the first row is used",
        )
    known = y.dropna()
    differing = f"{y.name} differs in {format_percent(1 - equal_share)} of these times"
    if repeated_share > MIN_EVENT_SHARE and (known >= 0).all() and (known % 1 == 0).all():
        return "sum", f"{differing} and is a count: the sum is used"
    return "mean", f"{differing}: the mean is used"
