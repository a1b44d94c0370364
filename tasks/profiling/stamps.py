"""Infers whether a stamp is the begin or the end of its period, from hours such as 01:00 to 24:00."""

import re

import pandas as pd

from models.data.calendar import is_calendar_step
from models.data.time_steps import DAY, Stamps, default_stamps, step_width
from tasks.profiling.inference import Hints, Inference

MIDNIGHT_AS_24 = re.compile(r"(?:^|[T ])24(?::?00){1,2}")
MIN_WHOLE_DAYS_SHARE = 0.5  # of the series, that begin and end with a whole day
MAX_TEXT_VALUES = 200_000


def infer_stamps(
    times: pd.Series, series: pd.Series, text: pd.Series, freq: str, hints: Hints
) -> tuple[Stamps | None, Inference | None]:
    """Infer what the stamps of a table mean.

    Args:
        times: The times on the clock of their zone.
        series: The series of each time.
        text: The time column as it is written, if it is text; otherwise any values.
        freq: The step as a pandas frequency.
        hints: What the user states.

    Returns:
        `end` if stamps end their period and the frequency does not say so, otherwise None; and the evidence, None if
        both meanings are the same or the frequency decides.
    """
    if hints.stamps:
        return hints.stamps, Inference("stamps", f"{hints.stamps} of the period", "given", "")
    if is_calendar_step(freq):
        weeks = step_width(freq) == DAY and freq.lstrip("0123456789").startswith("W")
        evidence = "a week runs from its stamp; if the stamp is its last day, use --stamps end"
        return None, Inference("stamps", "begin of the period", "unsure", evidence) if weeks else None
    if pd.api.types.is_string_dtype(text) and _has_hour_24(text):
        return "end", Inference("stamps", "end of the period", "sure", "a day ends with the hour 24:00")
    first, last = _share_of_whole_days(times, series, step_width(freq))
    if last >= MIN_WHOLE_DAYS_SHARE:
        clock = _clock(step_width(freq))
        evidence = f"days run from {clock} to 00:00; if a stamp is the begin, use --stamps begin"
        return "end", Inference("stamps", "end of the period", "likely", evidence)
    if first >= MIN_WHOLE_DAYS_SHARE and default_stamps(freq) == "begin":
        evidence = f"days run from 00:00 to {_clock(DAY - step_width(freq))}"
        return None, Inference("stamps", "begin of the period", "likely", evidence)
    evidence = "no day shows it; if a stamp is the end of its period, use --stamps end"
    return None, Inference("stamps", "begin of the period", "unsure", evidence)


def _has_hour_24(text: pd.Series) -> bool:
    sample = text.dropna().drop_duplicates().head(MAX_TEXT_VALUES)
    return bool(sample.astype("str").str.contains(MIDNIGHT_AS_24).any())


def _share_of_whole_days(times: pd.Series, series: pd.Series, step: pd.Timedelta) -> tuple[float, float]:
    """Return the shares of series with whole days of stamps 00:00 to 23:00, and of stamps 01:00 to 00:00."""
    spans = times.groupby(series).agg(["min", "max"]).dropna()
    if spans.empty:
        return 0.0, 0.0
    first, last = ((spans[side] - spans[side].dt.floor("D")) for side in ("min", "max"))
    zero = pd.Timedelta(0)
    begins = (first == zero) & (last == DAY - step)
    ends = (first == step) & (last == zero)
    return float(begins.mean()), float(ends.mean())


def _clock(time: pd.Timedelta) -> str:
    minutes = round(time.total_seconds()) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
