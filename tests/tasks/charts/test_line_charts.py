"""Ticks, formatted numbers and line charts."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from tasks.charts.axes import EPOCH, Clock, choose_clock, time_ticks, value_ticks
from tasks.charts.formatting import MISSING, clip, count, duration, figure, percent, when
from tasks.charts.line_charts import (
    SMALL,
    Band,
    FanChart,
    draw_bar,
    draw_curves,
    draw_fan_chart,
    draw_nights,
    prediction_bands,
)
from tasks.charts.svg import draw_band, draw_line, fit_plot_area

NEW_YORK = Clock("America/New_York")


def at(text: str) -> float:
    return (pd.Timestamp(text) - EPOCH) / pd.Timedelta(seconds=1)


def labels(start: str, end: str, clock: Clock, about: int) -> list[str]:
    return [tick.label for tick in time_ticks(at(start), at(end), clock, about)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.7123, "0.712"), (0.7, "0.700"), (12, "12.0"), (123.4, "123"), (999.6, "1\u202f000"),
        (1234.5, "1\u202f234"), (-1234.5, "\u22121\u202f234"), (1.234e6, "1.23\u202fM"), (4.5e9, "4.50\u202fbn"),
        (1e12, "1.00\u202ftn"), (1e16, "1.00e16"), (0.00012, "1.20e-4"), (float("nan"), MISSING), (None, MISSING),
        (pd.NA, MISSING), (float("inf"), "∞"), ("text", MISSING),
    ],
)  # fmt: skip
def test_figure_has_three_significant_digits(value: object, text: str) -> None:
    assert figure(value) == text


def test_counts_shares_and_durations_are_formatted() -> None:
    assert [count(336776), count(0), count(None)] == ["336\u202f776", "0", MISSING]
    assert [percent(0.885), percent(1), percent(-0.1, signed=True), percent(0.1, signed=True)] == [
        "88.5%", "100%", "\u221210.0%", "+10.0%",
    ]  # fmt: skip
    assert [duration(0.42), duration(48.2), duration(185), duration(3720), duration(None)] == [
        "0.4 s", "48 s", "3 min 05 s", "1 h 02 min", MISSING,
    ]  # fmt: skip


def test_time_is_formatted_in_the_display_zone() -> None:
    moment = pd.Timestamp("2013-11-30T05:00Z").to_pydatetime()
    assert when(moment, "America/New_York") == "Sat 30 Nov 2013, 00:00 EST"
    assert when(moment, "Asia/Kathmandu") == "Sat 30 Nov 2013, 10:45 UTC+05:45"
    assert when(moment, "UTC", dates_only=True) == "Sat 30 Nov 2013"
    assert when(moment.replace(tzinfo=None), "UTC") == "Sat 30 Nov 2013, 05:00 UTC"


def test_long_name_keeps_both_ends() -> None:
    assert clip("JFK/" + "x" * 500 + "/DL", 12) == "JFK/xxx…x/DL"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 43, ["0", "20", "40", "60"]),
        (-3, 7, ["\u22125", "0", "5", "10"]),
        (0.21, 0.79, ["0.2", "0.4", "0.6", "0.8"]),
        (0, 1e12, ["0", "0.5\u202ftn", "1.0\u202ftn"]),
        (1.1e6, 1.3e6, ["1.10\u202fM", "1.15\u202fM", "1.20\u202fM", "1.25\u202fM", "1.30\u202fM"]),
        (5, 5, ["0", "2", "4", "6"]),
        (0, 0, ["0", "0.5", "1.0", "1.5", "2.0"]),
        (-4, -4, ["\u22126", "\u22125", "\u22124", "\u22123", "\u22122"]),
    ],
)
def test_value_ticks_are_round_and_enclose_the_values(low: float, high: float, expected: list[str]) -> None:
    assert [tick.label for tick in value_ticks(low, high, about=4)] == expected


def test_days_start_at_local_midnight_before_and_after_a_clock_change() -> None:
    ticks = time_ticks(at("2013-11-02T00:00Z"), at("2013-11-05T00:00Z"), NEW_YORK, about=4)
    assert [tick.label for tick in ticks] == ["Sat 2", "Sun 3", "Mon 4"]
    assert [tick.at for tick in ticks] == [at("2013-11-02T04:00Z"), at("2013-11-03T04:00Z"), at("2013-11-04T05:00Z")]


def test_missing_midnight_moves_to_the_first_existing_hour() -> None:
    ticks = time_ticks(at("2017-10-14T12:00Z"), at("2017-10-16T12:00Z"), Clock("America/Sao_Paulo"), about=3)
    assert [tick.at for tick in ticks] == [at("2017-10-15T03:00Z"), at("2017-10-16T02:00Z")]


def test_time_ticks_fit_the_span() -> None:
    assert labels("2013-11-29T05:00Z", "2013-11-30T05:00Z", NEW_YORK, 5) == [
        "Fri 29", "06:00", "12:00", "18:00", "Sat 30",
    ]  # fmt: skip
    dates = Clock("UTC", dates_only=True)
    assert labels("2013-10-01T00:00Z", "2013-11-01T00:00Z", dates, 6) == ["7 Oct", "14 Oct", "21 Oct", "28 Oct"]
    assert labels("2013-01-01T00:00Z", "2014-03-01T00:00Z", dates, 6) == ["2013", "Apr", "Jul", "Oct", "2014"]
    assert labels("1999-06-01T00:00Z", "2014-03-01T00:00Z", dates, 4) == ["2000", "2005", "2010"]


def test_only_daily_and_slower_data_show_dates() -> None:
    ds = pd.Series(pd.to_datetime(["2013-11-29T00:00Z"]))
    shown = [choose_clock(ds, freq, "UTC").dates_only for freq in ("D", "W-SUN", "MS", "QE-DEC", "2D", "B")]
    assert shown == [True] * 6
    assert [choose_clock(ds, freq, "UTC").dates_only for freq in ("h", "15min", "s", "30s")] == [False] * 4


def test_daily_data_stamped_at_utc_midnight_keeps_its_own_date() -> None:
    utc = pd.Series(pd.to_datetime(["2013-11-29T00:00Z", "2013-11-30T00:00Z"]))
    assert choose_clock(utc, "D", "America/New_York") == Clock("UTC", dates_only=True)
    assert choose_clock(utc + pd.Timedelta(hours=5), "D", "America/New_York") == Clock("America/New_York", True)
    assert choose_clock(utc, "h", "America/New_York") == NEW_YORK


def test_quantiles_are_paired_widest_first() -> None:
    assert prediction_bands({"q05": 0.05, "q95": 0.95, "q10": 0.1, "q50": 0.5, "q90": 0.9}) == [
        Band("q05", "q95", 0.9), Band("q10", "q90", 0.8),
    ]  # fmt: skip
    assert prediction_bands({"q025": 0.025, "q975": 0.975}) == [Band("q025", "q975", 0.95)]
    assert prediction_bands({"q50": 0.5}) == []


def test_line_breaks_at_missing_values() -> None:
    chart = fit_plot_area((100, 60), (0, 4), [np.array([0.0, 4.0])])
    drawing = draw_line(chart, np.arange(5.0), np.array([0, 1, np.nan, 3, 4]), "line")
    assert drawing.count("M") == 2
    assert "nan" not in drawing


def test_line_breaks_at_gaps_in_time() -> None:
    chart = fit_plot_area((100, 60), (0, 30), [np.array([0.0, 4.0])])
    assert draw_line(chart, np.array([0.0, 1, 2, 20, 21]), np.arange(5.0), "line").count("M") == 2


def test_long_line_keeps_its_peak() -> None:
    y = np.zeros(5000)
    y[2501] = 9.0
    chart = fit_plot_area(SMALL, (0, 4999), [y])
    drawing = draw_line(chart, np.arange(5000.0), y, "line")
    assert len(drawing) < 4000
    assert f"{chart.to_y(0.0) - chart.to_y(9.0):.4g}" in drawing


def test_band_of_a_single_step_is_visible() -> None:
    chart = fit_plot_area((100, 60), (0, 1), [np.array([0.0, 1.0])])
    drawing = draw_band(chart, np.array([0.5]), (np.array([0.2]), np.array([0.8])), "band")
    assert re.search(r'd="M[\d.]+ [\d.]+l6 0 ', drawing)


def fan(name: str = "JFK", values: tuple[float, ...] = (1, 2, 3, 4)) -> FanChart:
    ds = pd.date_range("2013-11-29", periods=4, freq="h", tz="UTC")
    frame = pd.DataFrame({"ds": ds, "y": values})
    ahead = pd.DataFrame({"ds": ds + pd.Timedelta(hours=4), "y_hat": values, "q05": values, "q95": values})
    return FanChart(name, frame, ahead, ahead.iloc[:0], {"q05": 0.05, "q95": 0.95}, at("2013-11-29T03:00Z"), NEW_YORK)


@pytest.mark.parametrize(
    "values", [(1, 2, 3, 4), (5, 5, 5, 5), (0, 0, 0, 0), (-1e12, -2e12, 0, 1e12), (np.nan,) * 4, (np.inf, 1, 2, 3)]
)
def test_any_values_give_a_valid_fan_chart(values: tuple[float, ...]) -> None:
    drawing = draw_fan_chart(fan(values=values), SMALL)
    root = ET.fromstring(drawing)  # noqa: S314 - our own text
    assert root.get("role") == "img"
    assert not re.search(r"nan|inf", re.sub(r"<title>.*?</title>|aria-label=\".*?\"", "", drawing))


def test_fan_chart_has_a_description() -> None:
    assert "JFK: actuals from 1.00 to 4.00; forecast of 4 steps from 1.00 to 4.00" in draw_fan_chart(fan(), SMALL)


def test_hostile_name_stays_text() -> None:
    name = '</title></svg><script>alert("1")</script>'
    for drawing in (draw_fan_chart(fan(name), SMALL), draw_curves(name, [1, 2], [2, 1])):
        assert "<script" not in drawing
        assert "script" in ET.fromstring(drawing)[0].text  # type: ignore[operator]  # noqa: S314


def test_best_epoch_is_described() -> None:
    assert "best validation loss 0.300 in epoch 2" in draw_curves("gru", [0.5, 0.4, 0.3], [0.4, 0.3, 0.35])
    assert draw_curves("gru", [], []) == ""
    assert "3 epochs" in draw_curves("gru", [1, 2, 3], [float("nan")] * 3)


def test_single_night_is_a_dot_with_its_value() -> None:
    drawing = draw_nights("MASE", pd.Series(pd.to_datetime(["2013-11-28T05:00Z"])), pd.Series([0.74]), NEW_YORK)
    assert drawing.count("<circle") == 1
    assert "Thu 28" in drawing
    assert "MASE over 1 nights, last 0.740" in drawing


def test_missing_value_draws_nothing() -> None:
    assert 'width="60.0"' in draw_bar(1.0, 2.0, "champion", mark=1.5)
    assert [draw_bar(float("nan"), 2.0, ""), draw_bar(1.0, float("nan"), ""), draw_bar(0.0, 0.0, "")] == ["", "", ""]
