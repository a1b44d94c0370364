"""The charts of the morning page: forecast fans, lines over epochs or nights, and the bars of tables."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.charts.axes import Clock, Tick, day_label, seconds, time_ticks, value_ticks
from tasks.charts.formatting import clip, figure, number
from tasks.charts.svg import NONE, area, line, plane, svg, time_axis, value_axis, x_axis

WIDE, NARROW, SMALL, TINY = (
    (1040, 320),
    (360, 240),
    (340, 168),
    (250, 140),
)  # pixels at which text is as tall as the page's


class Band(NamedTuple):
    """Two quantile columns and the share of outcomes that should fall between them."""

    low: str
    high: str
    share: float


@dataclass(frozen=True)
class FanChart:
    """One series: what came (ds, y), what is forecast and what was forecast yesterday (ds, y_hat, q05 …)."""

    name: str
    history: pd.DataFrame
    forecast: pd.DataFrame
    yesterday: pd.DataFrame
    cutoff: float
    clock: Clock


def quantile_level(column: str) -> float:
    """The quantile a column is named after: q05 is 0.05, q975 is 0.975; NaN for any other column."""
    return float(f"0.{column[1:]}") if re.fullmatch(r"q\d+", column) else float("nan")


def bands(columns: Iterable[str]) -> list[Band]:
    """Intervals around the median, the widest first: q05–q95, then q10–q90."""
    levels = {column: quantile_level(column) for column in columns}
    lows = sorted((c for c, q in levels.items() if q < 0.5), key=levels.__getitem__)
    highs = sorted((c for c, q in levels.items() if q > 0.5), key=levels.__getitem__, reverse=True)
    return [Band(a, b, round(levels[b] - levels[a], 6)) for a, b in zip(lows, highs, strict=False)]


def draw_fan_chart(fan: FanChart, size: tuple[int, int]) -> Markup:
    """Actuals, the cutoff, the forecast with its bands, and yesterday's forecast under what came."""
    frames = [frame for frame in (fan.history, fan.forecast, fan.yesterday) if len(frame)]
    if not frames:
        return NONE
    times = np.concatenate([seconds(frame["ds"]) for frame in frames])
    edges = (float(times.min()), float(times.max()))
    if edges[0] == edges[1]:
        edges = (edges[0] - 1800, edges[1] + 1800)
    if len(fan.forecast):  # a short horizon still gets a strip that the eye can find
        edges = (edges[0], max(edges[1], fan.cutoff + 0.05 * (edges[1] - edges[0])))
    values = [_values(frame, name) for frame in frames for name in map(str, frame) if _is_value(name)]
    chart = plane(size, edges, values)
    parts = [value_axis(chart), time_axis(chart, fan.clock)]
    if len(fan.forecast) and chart.x[0] <= fan.cutoff <= chart.x[1]:
        x = round(float(chart.across(fan.cutoff)), 1)
        parts.append(Markup('<path class="cut" d="M{} 8V{}"/>').format(x, chart.bottom))
    for frame, kind in ((fan.yesterday, "prior"), (fan.forecast, "next")):
        if not len(frame):
            continue
        at = seconds(frame["ds"])
        for band in bands(frame.columns)[:3]:
            both = (_values(frame, band.low), _values(frame, band.high))
            parts.append(area(chart, at, both, f"band {kind}"))
        parts.append(line(chart, at, _values(frame, "y_hat"), f"line {kind}"))
    if len(fan.history):
        parts.append(line(chart, seconds(fan.history["ds"]), _values(fan.history, "y"), "line actual"))
    return svg(size, _spoken(fan), parts)


def _is_value(column: str) -> bool:
    return column in ("y", "y_hat") or quantile_level(column) == quantile_level(column)


def _values(frame: pd.DataFrame, column: str) -> np.ndarray:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _spoken(fan: FanChart) -> str:
    """The chart in words, for those who can't see it."""
    said = [f"{clip(fan.name)}:"]
    if len(fan.history):
        y = pd.Series(_values(fan.history, "y"))
        said.append(f"actuals from {figure(y.min())} to {figure(y.max())};")
    if len(fan.forecast):
        median = pd.Series(_values(fan.forecast, "y_hat"))
        said.append(f"forecast of {len(median)} steps from {figure(median.min())} to {figure(median.max())};")
    if len(fan.yesterday):
        said.append("with the forecast of the night before.")
    return " ".join(said).rstrip(";")


def draw_curves(name: str, train: Sequence[float], validation: Sequence[float]) -> Markup:
    """Loss by epoch: training in grey, validation in colour, its best epoch marked. Both (epochs,)."""
    losses = [np.array([number(loss) for loss in losses], dtype=float) for losses in (train, validation)]
    epochs = max(len(train), len(validation))
    if not epochs:
        return NONE
    chart = plane(SMALL, (1.0, float(max(epochs, 2))), losses, floor=False)
    whole = [tick for tick in value_ticks(1, max(epochs, 2), about=5) if 1 < tick.at <= epochs and tick.at % 1 == 0]
    marks = [Tick(1.0, "1"), *(tick for tick in whole if tick.at > epochs / 10)]
    parts = [value_axis(chart), x_axis(chart, marks, centred=True)]
    for loss, style in zip(losses, ("line train", "line next"), strict=True):
        parts.append(line(chart, np.arange(1.0, len(loss) + 1), loss, style))
    said = f"{clip(name)}: {epochs} epochs"
    if np.isfinite(losses[1]).any():
        best = int(np.nanargmin(losses[1]))
        at = chart.across(best + 1.0), chart.up(losses[1][best])
        parts.append(Markup('<circle class="best" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(*map(float, at)))
        said += f", best validation loss {figure(losses[1][best])} in epoch {best + 1}"
    return svg(SMALL, said, parts)


def draw_nights(name: str, nights: pd.Series, values: pd.Series, clock: Clock, goal: float | None = None) -> Markup:
    """One value a night (n,) with its dots, from zero on; with a `goal`, the room around it instead."""
    at, y = seconds(nights), _values(values.to_frame("y"), "y")
    if not len(at):
        return NONE
    dates = Clock(clock.zone, dates_only=True)
    room = np.array([0.0] if goal is None else [goal - 0.2 * abs(goal), goal + 0.1 * abs(goal)])
    chart = plane(TINY, (float(at.min()) - 43_200, float(at.max()) + 43_200), [y, room])
    spots = [(x, value) for x, value in zip(at[-60:], y[-60:], strict=True) if np.isfinite(value)]
    few = [Tick(x, day_label(x, dates)) for x in at] if len(at) <= 4 else time_ticks(*chart.x, dates, about=3)
    parts = [value_axis(chart), x_axis(chart, few, centred=True)]
    if goal is not None:
        height = round(float(chart.up(goal)), 1)
        parts.append(Markup('<path class="goal" d="M{:.1f} {}H{}"/>').format(chart.left, height, TINY[0] - 4))
    parts.append(line(chart, at, y, "line next"))
    for spot in spots:
        x, height = round(float(chart.across(spot[0])), 1), round(float(chart.up(spot[1])), 1)
        parts.append(Markup('<circle class="dot" cx="{}" cy="{}" r="3"/>').format(x, height))
    if spots:
        parts.append(Markup('<text class="last" x="{}" y="{}">{}</text>').format(x, height - 8, figure(spots[-1][1])))
    return svg(TINY, f"{name} over {len(at)} nights, last {figure(spots[-1][1] if spots else None)}", parts)


def draw_bar(value: float, largest: float, style: str, mark: float | None = None) -> Markup:
    """A bar from zero in a table's cell; `mark` is where the one to beat stands. It only repeats a number."""
    amount, whole, goal = number(value), number(largest), number(mark)
    if not (np.isfinite(amount) and np.isfinite(whole)) or whole <= 0 or amount < 0:
        return NONE
    body = Markup('<rect class="{}" width="{:.1f}" height="10" rx="1.5"/>').format(style, 120 * min(amount / whole, 1))
    if np.isfinite(goal) and 0 <= goal <= whole:
        body += Markup('<path class="goal" d="M{:.1f} -2V12"/>').format(120 * goal / whole)
    return Markup('<svg class="bar" viewBox="0 -2 121 14" aria-hidden="true">{}</svg>').format(body)
