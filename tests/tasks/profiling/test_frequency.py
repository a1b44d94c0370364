"""The step of any calendar, the meaning of stamps, and messages about rows between two steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.data.time_steps import build_grid
from tasks.profiling.frequency import FrequencyInference, infer_frequency
from tasks.profiling.inference import CannotInferPipeline, Hints
from tasks.profiling.stamps import infer_stamps
from tasks.quality.time_grid import check_alignment
from tasks.sources.dataset import DatasetSpec


def stamps_of(freq: str, count: int = 60, start: str = "2015-01-01", shift: int = 0) -> pd.Series:
    times = pd.date_range(start, periods=count, freq=freq, tz="UTC").as_unit("us") + pd.Timedelta(days=shift)
    return pd.Series(times)


def weeks(*counts: int, rounds: int = 12) -> pd.Series:
    distances = np.cumsum([0, *counts * rounds])
    return pd.Series(pd.Timestamp("2012-01-28", tz="UTC").as_unit("us") + pd.to_timedelta(7 * distances, unit="D"))


def infer(times: pd.Series) -> FrequencyInference:
    return infer_frequency(times, pd.Series("a", index=times.index), times, Hints(), "t.csv")


@pytest.mark.parametrize(
    ("times", "freq", "evidence"),
    [
        (stamps_of("MS", shift=13), "MS", "on the 14th of the month"),
        (stamps_of("MS", shift=1), "MS", "on the 2nd of the month"),
        (stamps_of("QS-FEB", shift=14), "QS-FEB", "on the 15th of the month"),
        (stamps_of("YS-APR", shift=5), "YS-APR", "on the 6th of the month"),
        (stamps_of("ME"), "ME", "100 % of neighbours"),
        (stamps_of("BMS"), "BMS", "100 % of neighbours"),
        (stamps_of("2W-MON"), "2W-MON", "100 % of neighbours"),
        (stamps_of("4W-SAT"), "4W-SAT", "100 % of neighbours"),
        (stamps_of("3D"), "3D", "100 % of neighbours"),
        (stamps_of("2MS"), "2MS", "100 % of neighbours"),
        (pd.concat([stamps_of("D", 300), stamps_of("D", 1, "1900-01-01")], ignore_index=True), "D", "100 % of"),
    ],
)
def test_frequency_of_any_calendar(times: pd.Series, freq: str, evidence: str) -> None:
    inferred = infer(times)
    assert inferred.freq == freq
    assert evidence in inferred.inference.evidence
    assert inferred.gaps is None


@pytest.mark.parametrize(
    ("times", "name"),
    [(weeks(4, 4, 5), "4-4-5 calendar"), (weeks(13, 13, 13, 14), "13 or 14"), (weeks(52, 52, 53), "52 or 53 weeks")],
)
def test_fiscal_weeks_are_refused_by_name(times: pd.Series, name: str) -> None:
    with pytest.raises(CannotInferPipeline, match=name):
        infer(times)


@pytest.mark.parametrize(
    ("first", "freq", "text", "value", "confidence"),
    [
        ("2024-01-01 00:00", "h", "", "begin", "likely"),
        ("2024-01-01 01:00", "h", "", "end", "likely"),
        ("2024-01-01 00:15", "15min", "", "end", "likely"),
        ("2024-01-01 05:00", "h", "", "begin", "unsure"),
        ("2024-01-01 05:00", "h", "2024-01-01 24:00", "end", "sure"),
        ("2024-01-01 05:00", "h", "01.01.2024 24:00:00", "end", "sure"),
        ("2024-01-01 05:00", "h", "2024-01-24 10:24", "begin", "unsure"),
    ],
)
def test_stamps_are_inferred_from_whole_days(first: str, freq: str, text: str, value: str, confidence: str) -> None:
    count = 24 * 5 * (4 if freq == "15min" else 1)
    times = pd.Series(pd.date_range(first, periods=count, freq=freq, tz="UTC"))
    setting, inference = infer_stamps(times, pd.Series("a", index=times.index), pd.Series([text]), freq, Hints())
    assert setting == ("end" if value == "end" else None)
    assert inference is not None
    assert (inference.value, inference.confidence) == (f"{value} of the period", confidence)


@pytest.mark.parametrize(("freq", "named"), [("D", False), ("MS", False), ("ME", False), ("W-SUN", True)])
def test_stamps_of_weeks_are_unsure_and_those_of_days_need_no_word(freq: str, named: bool) -> None:
    times = stamps_of(freq)
    setting, inference = infer_stamps(times, pd.Series("a", index=times.index), times, freq, Hints())
    assert (setting, inference is not None) == (None, named)
    given, _ = infer_stamps(times, pd.Series("a", index=times.index), times, freq, Hints(stamps="end"))
    assert given == "end"


@pytest.mark.parametrize(
    ("freq", "times", "message"),
    [
        (
            "W",
            stamps_of("W-FRI"),
            r"steps are at Sun 2015-01-04, Sun 2015-01-11 …\); freq 'W-FRI' fits 100% of",
        ),
        ("MS", stamps_of("ME"), r"steps are at Sun 2015-02-01, .*freq 'ME' fits 100%"),
        ("QS", stamps_of("QS-FEB"), "freq 'QS-FEB' fits 100%"),
        ("ME", stamps_of("MS", shift=13), "freq 'MS', on day 14 of the month, fits 100%"),
        ("MS", weeks(4, 4, 5), r"months of 4 or 5 weeks \(a 4-4-5 calendar\), which no freq describes; bring weekly"),
        ("h", stamps_of("15min"), r"steps are at Thu 00:00, Thu 01:00 …\); freq '15min' fits 100%"),
    ],
)
def test_off_grid_message_speaks_in_dates_and_names_the_freq_that_fits(
    reading: Callable[..., DatasetSpec], freq: str, times: pd.Series, message: str
) -> None:
    frame: Any = pd.DataFrame({"row": range(len(times)), "unique_id": "a", "ds": times})
    (violation,) = check_alignment(frame, build_grid(times, freq, 0), reading(freq=freq))
    assert pd.Series([violation.reason]).str.contains(message).all(), violation.reason
