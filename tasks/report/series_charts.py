"""Which series the page draws and in which size, and how far yesterday's forecast missed each of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.charts.axes import SECONDS_PER_DAY, Clock, epoch_seconds
from tasks.charts.formatting import figure, percent
from tasks.charts.line_charts import NARROW, SMALL, WIDE, FanChart, draw_fan_chart, prediction_bands
from tasks.modeling.scores import quantile_columns
from tasks.modeling.series import sort_by_series

MAX_ALL_DRAWN = 60  # with more series, the page draws the largest ones and those that were missed most
MAX_BY_SIZE, MAX_BY_ERROR = 24, 12
MAX_VISIBLE = 9  # charts that are visible at once; the others are folded


class SeriesFrames(Mapping[str, pd.DataFrame]):
    """The frames of a table by series, each cut out when it is asked for: a page draws few of many series."""

    def __init__(self, table: pd.DataFrame) -> None:
        if len(table) and not isinstance(table["unique_id"].dtype, pd.StringDtype):
            table = table.assign(unique_id=table["unique_id"].astype(str))
        self.table, self._rows = table, dict[str, tuple[int, int]]()
        if len(table):
            self.table, names, begins, ends = sort_by_series(table)
            self._rows = {name: (begin, end) for name, begin, end in zip(names, begins, ends, strict=True)}

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.table.iloc[slice(*self._rows[name])].reset_index(drop=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def sum_of(self, column: str) -> dict[str, float]:
        """Return the sum of a column for each series."""
        if not self._rows:
            return {}
        values, begins = self.table[column].to_numpy(float), [begin for begin, _ in self._rows.values()]
        with np.errstate(over="ignore"):
            sums = np.add.reduceat(np.where(np.isnan(values), 0.0, values), begins)
        return dict(zip(self._rows, sums, strict=True))


class SeriesCard(NamedTuple):
    """One chart with its caption; `narrow` is the same chart drawn for a phone."""

    name: str
    note: str
    drawing: Markup
    narrow: Markup | None = None


class CardGroup(NamedTuple):
    """Charts under one heading; they are folded unless `opened`."""

    title: str
    opened: bool
    cards: tuple[SeriesCard, ...]


class SeriesCharts:
    """The frames of one night by series: history (ds, y), forecast and yesterday (ds, y_hat, q05 …, y).

    `names` has the series by size: the sum of their actuals, then of their forecasts, largest first.
    """

    def __init__(self, history: pd.DataFrame, forecast: pd.DataFrame, yesterday: pd.DataFrame | None) -> None:
        self.history, self.forecast = SeriesFrames(history), SeriesFrames(forecast)
        self.yesterday = SeriesFrames(pd.DataFrame() if yesterday is None else yesterday)
        total, future = self.history.sum_of("y"), self.forecast.sum_of("y_hat")
        names = total | future  # a series without any history has a chart too
        self.names = sorted(names, key=lambda name: (-total.get(name, 0.0), -future.get(name, 0.0), name))

    def scores(self, season: int) -> pd.DataFrame:
        """Score yesterday's forecast of each series.

        Args:
            season: The season length in steps, for `scaled`.

        Returns:
            One row per series, largest misses first: unique_id, rows (compared), mae and bias (forecast minus actual)
            in units of y, inside (share of actuals within the widest interval) and scaled (mae divided by the mean
            absolute change from one season to the next; 1 is the error of the seasonal naive forecast).
        """
        table = self._measure(season)
        # `scaled` ranks only without intervals: a small series can be far above 1 and hardly a unit off.
        has_intervals = bool(table["inside"].notna().any())
        order = ["inside" if has_intervals else "scaled", "mae", "unique_id"]
        return table.sort_values(order, ascending=[has_intervals, False, True], ignore_index=True)

    def _measure(self, season: int) -> pd.DataFrame:
        """Return the columns of `scores`, not sorted."""
        frame, past = self.yesterday.table, self.history.table
        if frame.empty:
            return pd.DataFrame(columns=["unique_id", "rows", "mae", "bias", "inside", "scaled"])
        error = (frame["y_hat"] - frame["y"]).astype(float)
        widest, inside = next(iter(prediction_bands(quantile_columns(frame))), None), np.nan
        if widest:
            inside = frame["y"].between(frame[widest.low], frame[widest.high]).astype(float).where(error.notna())
        measured = frame[["unique_id"]].assign(rows=error.notna(), mae=error.abs(), bias=error, inside=inside)
        by_series = measured.groupby("unique_id", sort=False)
        table = by_series.agg(
            rows=("rows", "sum"), mae=("mae", "mean"), bias=("bias", "mean"), inside=("inside", "mean")
        )
        naive_error = pd.Series(dtype=float)
        if len(past):
            y = past["y"].astype(float)
            change = (y - y.groupby(past["unique_id"]).shift(max(season, 1))).abs()
            naive_error = change.groupby(past["unique_id"]).mean()
        naive_error = naive_error.reindex(table.index)
        return table.assign(scaled=table["mae"] / naive_error.where(naive_error > 0)).reset_index()

    def fan_chart(self, name: str, clock: Clock, days: float, horizons: float) -> FanChart:
        """Return the forecast with the last `days` before it, or the last `horizons` if these are longer."""
        empty = pd.DataFrame({"ds": pd.to_datetime([], utc=True)})
        past, forecast = self.history.get(name, empty), self.forecast.get(name, empty)
        yesterday = self.yesterday.get(name, empty)
        cutoff = _cutoff(past, forecast)
        horizon = float(epoch_seconds(forecast["ds"]).max()) - cutoff if len(forecast) else SECONDS_PER_DAY
        since = cutoff - max(days * SECONDS_PER_DAY, horizons * horizon)
        quantiles = quantile_columns(forecast) | quantile_columns(yesterday)
        return FanChart(name, _after(past, since), forecast, _after(yesterday, since), quantiles, cutoff, clock)

    def past_forecast(self, name: str, clock: Clock) -> FanChart:
        """Return yesterday's forecast of one series with the actuals."""
        frame = self.yesterday[name]
        quantiles = quantile_columns(frame)
        return FanChart(name, frame[["ds", "y"]], frame.iloc[:0], frame.drop(columns="y"), quantiles, 0.0, clock)


def draw_main_card(series: SeriesCharts, clock: Clock) -> SeriesCard | None:
    """Draw the largest series in full width, with the last week or four horizons."""
    if not series.names:
        return None
    fan = series.fan_chart(series.names[0], clock, days=7, horizons=4)
    return SeriesCard(fan.name, "", draw_fan_chart(fan, WIDE), draw_fan_chart(fan, NARROW))


def draw_groups(series: SeriesCharts, scores: pd.DataFrame, clock: Clock) -> tuple[tuple[CardGroup, ...], int]:
    """Draw the other series in groups, the largest first, and count the series that are not drawn."""
    notes = {row.unique_id: _note(row) for row in scores.itertuples()}
    all_drawn = len(series.names) <= MAX_ALL_DRAWN
    shown = series.names[1:] if all_drawn else series.names[1:MAX_BY_SIZE]
    largest = set(series.names[:MAX_BY_SIZE])
    worst = [] if all_drawn else [name for name in scores["unique_id"] if name not in largest][:MAX_BY_ERROR]

    def cards(names: Iterable[str]) -> tuple[SeriesCard, ...]:
        fans = (series.fan_chart(name, clock, days=3, horizons=3) for name in names)
        return tuple(SeriesCard(fan.name, notes.get(fan.name, ""), draw_fan_chart(fan, SMALL)) for fan in fans)

    groups = (
        CardGroup("", True, cards(shown[:MAX_VISIBLE])),
        CardGroup(f"{len(shown[MAX_VISIBLE:])} more series, by size", False, cards(shown[MAX_VISIBLE:])),
        CardGroup(f"The {len(worst)} largest misses of yesterday's forecast among the others", True, cards(worst)),
    )
    left_out = 0 if all_drawn else len(series.names) - MAX_BY_SIZE - len(worst)
    return tuple(group for group in groups if group.cards), left_out


def draw_past_forecasts(series: SeriesCharts, scores: pd.DataFrame, clock: Clock) -> tuple[SeriesCard, ...]:
    """Draw yesterday's forecast vs. actuals for the largest series and the two largest misses."""
    notes = {row.unique_id: _note(row) for row in scores.itertuples()}
    names = dict.fromkeys([*series.names[:1], *scores.loc[scores["mae"].notna(), "unique_id"].head(3)])
    drawn = [name for name in names if name in series.yesterday][:3]
    fans = (series.past_forecast(name, clock) for name in drawn)
    return tuple(SeriesCard(fan.name, notes.get(fan.name, ""), draw_fan_chart(fan, SMALL)) for fan in fans)


def _note(score: Any) -> str:
    inside = f", {percent(score.inside)} inside" if score.inside == score.inside else ""
    return f"off by {figure(score.mae)} yesterday{inside}" if score.mae == score.mae else ""


def _cutoff(past: pd.DataFrame, forecast: pd.DataFrame) -> float:
    """Return the cutoff in seconds since 1970: that of the forecast, or the last time of the history."""
    if len(forecast) and "cutoff" in forecast:
        return float(epoch_seconds(forecast["cutoff"])[0])
    return float(epoch_seconds(past["ds"]).max()) if len(past) else 0.0


def _after(frame: pd.DataFrame, since: float) -> pd.DataFrame:
    return frame[epoch_seconds(frame["ds"]) >= since]
