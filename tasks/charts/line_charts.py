"""The charts of the morning page: fan charts of forecasts, lines over epochs or nights, and bars in table cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.charts.axes import Clock, Tick, day_label, epoch_seconds, time_ticks, value_ticks
from tasks.charts.formatting import clip, figure, number
from tasks.charts.svg import EMPTY, draw_band, draw_line, fit_plot_area, svg, time_axis, value_axis, x_axis

# Width and height in pixels, at which the text of a chart is as tall as the text of the page.
WIDE, NARROW, SMALL, TINY = (1040, 320), (360, 240), (340, 168), (250, 140)
MAX_BANDS, MAX_DOTS = 3, 60


class Band(NamedTuple):
    """A prediction interval: its two quantile columns, and the share of actuals that should lie inside."""

    low: str
    high: str
    share: float


@dataclass(frozen=True)
class FanChart:
    """One series: actuals (ds, y), the forecast and the forecast of the night before (ds, y_hat, quantiles).

    `quantiles` has the level of each quantile column of the two forecasts; `cutoff` is in seconds since 1970.
    """

    name: str
    history: pd.DataFrame
    forecast: pd.DataFrame
    yesterday: pd.DataFrame
    quantiles: Mapping[str, float]
    cutoff: float
    clock: Clock


def prediction_bands(quantiles: Mapping[str, float]) -> list[Band]:
    """Pair quantiles around the median, the widest interval first: q05 with q95, then q10 with q90.

    Args:
        quantiles: The level of each quantile column.

    Returns:
        One band for each pair; a quantile without a partner on the other side is not used.
    """
    lows = sorted((name for name, level in quantiles.items() if level < 0.5), key=quantiles.__getitem__)
    highs = sorted((name for name, level in quantiles.items() if level > 0.5), key=quantiles.__getitem__, reverse=True)
    pairs = zip(lows, highs, strict=False)
    return [Band(low, high, round(quantiles[high] - quantiles[low], 6)) for low, high in pairs]


def draw_fan_chart(fan: FanChart, size: tuple[int, int]) -> Markup:
    """Draw actuals, the cutoff, the forecast with its bands, and yesterday's forecast beneath them."""
    frames = [frame for frame in (fan.history, fan.forecast, fan.yesterday) if len(frame)]
    if not frames:
        return EMPTY
    columns = {"y", "y_hat", *fan.quantiles}
    values = [_finite_values(frame, name) for frame in frames for name in map(str, frame) if name in columns]
    area = fit_plot_area(size, _time_range(fan, frames), values)
    parts = [value_axis(area), time_axis(area, fan.clock)]
    if len(fan.forecast) and area.x[0] <= fan.cutoff <= area.x[1]:
        x = round(float(area.to_x(fan.cutoff)), 1)
        parts.append(Markup('<path class="cut" d="M{} 8V{}"/>').format(x, area.bottom))
    for frame, kind in ((fan.yesterday, "prior"), (fan.forecast, "next")):
        if not len(frame):
            continue
        x_values = epoch_seconds(frame["ds"])
        levels = {name: level for name, level in fan.quantiles.items() if name in frame}
        for band in prediction_bands(levels)[:MAX_BANDS]:
            edges = (_finite_values(frame, band.low), _finite_values(frame, band.high))
            parts.append(draw_band(area, x_values, edges, f"band {kind}"))
        parts.append(draw_line(area, x_values, _finite_values(frame, "y_hat"), f"line {kind}"))
    if len(fan.history):
        actuals = _finite_values(fan.history, "y")
        parts.append(draw_line(area, epoch_seconds(fan.history["ds"]), actuals, "line actual"))
    return svg(size, _describe(fan), parts)


def _time_range(fan: FanChart, frames: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """Return the first and last second of the time axis."""
    times = np.concatenate([epoch_seconds(frame["ds"]) for frame in frames])
    first, last = float(times.min()), float(times.max())
    if first == last:
        first, last = first - 1800, last + 1800
    if len(fan.forecast):  # a short horizon keeps a strip that is wide enough to see
        last = max(last, fan.cutoff + 0.05 * (last - first))
    return first, last


def _finite_values(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as floats, (n,), with NaN for everything that is not a finite number."""
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _describe(fan: FanChart) -> str:
    """Return the text for screen readers."""
    sentences = [f"{clip(fan.name)}:"]
    if len(fan.history):
        y = pd.Series(_finite_values(fan.history, "y"))
        sentences.append(f"actuals from {figure(y.min())} to {figure(y.max())};")
    if len(fan.forecast):
        median = pd.Series(_finite_values(fan.forecast, "y_hat"))
        sentences.append(f"forecast of {len(median)} steps from {figure(median.min())} to {figure(median.max())};")
    if len(fan.yesterday):
        sentences.append("with the forecast of the night before.")
    return " ".join(sentences).rstrip(";")


def draw_curves(name: str, train: Sequence[float], validation: Sequence[float]) -> Markup:
    """Draw training and validation loss by epoch, and mark the best epoch.

    Args:
        name: The model.
        train: Training losses, (epochs,).
        validation: Validation losses, (epochs,).

    Returns:
        The chart, or empty markup without any epoch.
    """
    losses = [np.array([number(loss) for loss in losses], dtype=float) for losses in (train, validation)]
    epochs = max(len(train), len(validation))
    if not epochs:
        return EMPTY
    area = fit_plot_area(SMALL, (1.0, float(max(epochs, 2))), losses, from_zero=False)
    whole = [tick for tick in value_ticks(1, max(epochs, 2), about=5) if 1 < tick.at <= epochs and tick.at % 1 == 0]
    ticks = [Tick(1.0, "1"), *(tick for tick in whole if tick.at > epochs / 10)]
    parts = [value_axis(area), x_axis(area, ticks, centred=True)]
    for loss, style in zip(losses, ("line train", "line next"), strict=True):
        parts.append(draw_line(area, np.arange(1.0, len(loss) + 1), loss, style))
    label = f"{clip(name)}: {epochs} epochs"
    if np.isfinite(losses[1]).any():
        best = int(np.nanargmin(losses[1]))
        x, y = float(area.to_x(best + 1.0)), float(area.to_y(losses[1][best]))
        parts.append(Markup('<circle class="best" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(x, y))
        label += f", best validation loss {figure(losses[1][best])} in epoch {best + 1}"
    return svg(SMALL, label, parts)


def draw_steps(name: str, steps: pd.Series, values: pd.Series, goal: float | None = None) -> Markup:
    """Draw one metric by step of the forecast.

    Args:
        name: The metric.
        steps: Steps after the cutoff, (n,), ascending.
        values: The metric, (n,).
        goal: The value that is promised. If given, y starts near it instead of at zero.

    Returns:
        The chart, or empty markup without two steps.
    """
    x, y = steps.to_numpy(dtype=float), _finite_values(values.to_frame("y"), "y")
    if len(x) < 2:
        return EMPTY
    visible = np.array([0.0] if goal is None else [goal - 0.2 * abs(goal), goal + 0.1 * abs(goal)])
    area = fit_plot_area(TINY, (float(x.min()), float(x.max())), [y, visible])
    whole = (tick.at for tick in value_ticks(x.min(), x.max(), about=4) if tick.at % 1 == 0)
    ticks = [Tick(at, f"{at:.0f}") for at in whole if x.min() <= at <= x.max()]
    parts = [value_axis(area), x_axis(area, ticks, centred=True)]
    if goal is not None:
        height = round(float(area.to_y(goal)), 1)
        parts.append(Markup('<path class="goal" d="M{:.1f} {}H{}"/>').format(area.left, height, TINY[0] - 4))
    parts.append(draw_line(area, x, y, "line next"))
    return svg(TINY, f"{name} by step, from {figure(y[0])} at step {x[0]:.0f} to {figure(y[-1])} at {x[-1]:.0f}", parts)


def draw_nights(name: str, nights: pd.Series, values: pd.Series, clock: Clock, goal: float | None = None) -> Markup:
    """Draw one metric night by night, with a dot for each of the last nights.

    Args:
        name: The metric.
        nights: UTC as-of of each night, (n,).
        values: The metric, (n,).
        clock: The display zone.
        goal: The value that is promised. If given, y starts near it instead of at zero.

    Returns:
        The chart, or empty markup without any night.
    """
    times, y = epoch_seconds(nights), _finite_values(values.to_frame("y"), "y")
    if not len(times):
        return EMPTY
    dates = Clock(clock.zone, dates_only=True)
    visible = np.array([0.0] if goal is None else [goal - 0.2 * abs(goal), goal + 0.1 * abs(goal)])
    area = fit_plot_area(TINY, (float(times.min()) - 43_200, float(times.max()) + 43_200), [y, visible])
    dots = [(x, value) for x, value in zip(times[-MAX_DOTS:], y[-MAX_DOTS:], strict=True) if np.isfinite(value)]
    few = len(times) <= 4
    ticks = [Tick(x, day_label(x, dates)) for x in times] if few else time_ticks(*area.x, dates, about=3)
    parts = [value_axis(area), x_axis(area, ticks, centred=True)]
    if goal is not None:
        height = round(float(area.to_y(goal)), 1)
        parts.append(Markup('<path class="goal" d="M{:.1f} {}H{}"/>').format(area.left, height, TINY[0] - 4))
    parts.append(draw_line(area, times, y, "line next"))
    for dot in dots:
        x, height = round(float(area.to_x(dot[0])), 1), round(float(area.to_y(dot[1])), 1)
        parts.append(Markup('<circle class="dot" cx="{}" cy="{}" r="3"/>').format(x, height))
    if dots:
        parts.append(Markup('<text class="last" x="{}" y="{}">{}</text>').format(x, height - 8, figure(dots[-1][1])))
    return svg(TINY, f"{name} over {len(times)} nights, last {figure(dots[-1][1] if dots else None)}", parts)


def draw_bar(value: float, largest: float, style: str, mark: float | None = None) -> Markup:
    """Draw a bar in a table cell, with a thin line at `mark`; hidden from screen readers, which read the number."""
    amount, whole, goal = number(value), number(largest), number(mark)
    if not (np.isfinite(amount) and np.isfinite(whole)) or whole <= 0 or amount < 0:
        return EMPTY
    body = Markup('<rect class="{}" width="{:.1f}" height="10" rx="1.5"/>').format(style, 120 * min(amount / whole, 1))
    if np.isfinite(goal) and 0 <= goal <= whole:
        body += Markup('<path class="goal" d="M{:.1f} -2V12"/>').format(120 * goal / whole)
    return Markup('<svg class="bar" viewBox="0 -2 121 14" aria-hidden="true">{}</svg>').format(body)
