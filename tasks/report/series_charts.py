"""Which series the page draws, how large, and where yesterday went wrong."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.charts.axes import DAY, Clock, seconds
from tasks.charts.formatting import figure, percent
from tasks.charts.line_charts import NARROW, SMALL, WIDE, FanChart, bands, draw_fan_chart

ALL_DRAWN, LARGEST, WORST = 60, 24, 12  # above 60 series, the page draws the 24 largest and the 12 worst
IN_SIGHT = 9  # charts before the first fold; the others open on request

Frames = dict[str, pd.DataFrame]


class Card(NamedTuple):
    """One chart with its caption; `narrow` is the same chart drawn for a phone."""

    name: str
    note: str
    drawing: Markup
    narrow: Markup | None = None


class Group(NamedTuple):
    """Charts under one heading, in sight or folded away."""

    title: str
    opened: bool
    cards: tuple[Card, ...]


class SeriesCharts:
    """The frames of one night by series: history (ds, y), forecast and yesterday (ds, y_hat, q05 …, y)."""

    def __init__(self, history: pd.DataFrame, forecast: pd.DataFrame, yesterday: pd.DataFrame | None) -> None:
        self.history, self.forecast = _by_series(history), _by_series(forecast)
        self.yesterday = {} if yesterday is None else _by_series(yesterday)
        names = self.history | self.forecast  # a series with no history yet still has its chart
        total = {name: _sum(self.history, name, "y") for name in names}
        future = {name: _sum(self.forecast, name, "y_hat") for name in names}
        self.names = sorted(names, key=lambda name: (-total[name], -future[name], name))

    def scores(self, season: int) -> pd.DataFrame:
        """One row a series that was forecast yesterday; first the one that left its interval most.

        unique_id, rows compared, mae and bias (forecast minus actual) in units, inside (share of actuals in the
        widest interval) and scaled (mae over the mean absolute change against one season before; 1 is habit).
        """
        rows = [self._score(name, frame, season) for name, frame in self.yesterday.items()]
        table = pd.DataFrame(rows, columns=["unique_id", "rows", "mae", "bias", "inside", "scaled"])
        promised = table["inside"].notna().any()  # a small series may be far off its habit by a tenth of a unit
        order = ["inside", "mae", "unique_id"] if promised else ["scaled", "mae", "unique_id"]
        return table.sort_values(order, ascending=[bool(promised), False, True], ignore_index=True)

    def _score(self, name: str, frame: pd.DataFrame, season: int) -> tuple[Any, ...]:
        error = (frame["y_hat"] - frame["y"]).astype(float).dropna()
        widest = next(iter(bands(frame.columns)), None)
        came = frame.loc[error.index]
        inside = came["y"].between(came[widest.low], came[widest.high]).mean() if widest else np.nan
        past = self.history[name]["y"].astype(float) if name in self.history else pd.Series(dtype=float)
        usual = float((past - past.shift(max(season, 1))).abs().mean())
        mae = float(error.abs().mean())
        return name, len(error), mae, float(error.mean()), float(inside), mae / usual if usual > 0 else np.nan

    def fan(self, name: str, clock: Clock, days: float, horizons: float) -> FanChart:
        """The last days before the forecast, or some horizons if those are longer."""
        empty = pd.DataFrame({"ds": pd.to_datetime([], utc=True)})
        past, forecast = self.history.get(name, empty), self.forecast.get(name, empty)
        prior = self.yesterday.get(name, empty)
        cutoff = _cutoff(past, forecast)
        ahead = float(seconds(forecast["ds"]).max()) - cutoff if len(forecast) else DAY
        since = cutoff - max(days * DAY, horizons * ahead)
        return FanChart(name, _after(past, since), forecast, _after(prior, since), cutoff, clock)

    def past_forecast(self, name: str, clock: Clock) -> FanChart:
        """Yesterday's forecast of one series against what came, and nothing else."""
        frame = self.yesterday[name]
        return FanChart(name, frame[["ds", "y"]], frame.iloc[:0], frame.drop(columns="y"), 0.0, clock)


def main_card(panel: SeriesCharts, clock: Clock) -> Card | None:
    """The most important series, large: a week of it, or four horizons."""
    if not panel.names:
        return None
    fan = panel.fan(panel.names[0], clock, days=7, horizons=4)
    return Card(fan.name, "", draw_fan_chart(fan, WIDE), draw_fan_chart(fan, NARROW))


def groups(panel: SeriesCharts, scores: pd.DataFrame, clock: Clock) -> tuple[tuple[Group, ...], int]:
    """The other series in groups, the largest first, and how many are not drawn at all."""
    notes = {row.unique_id: _note(row) for row in scores.itertuples()}
    few = len(panel.names) <= ALL_DRAWN
    shown = panel.names[1:] if few else panel.names[1:LARGEST]
    worst = [] if few else [name for name in scores["unique_id"] if name not in set(panel.names[:LARGEST])][:WORST]

    def cards(names: Iterable[str]) -> tuple[Card, ...]:
        fans = (panel.fan(name, clock, days=3, horizons=3) for name in names)
        return tuple(Card(fan.name, notes.get(fan.name, ""), draw_fan_chart(fan, SMALL)) for fan in fans)

    made = (
        Group("", True, cards(shown[:IN_SIGHT])),
        Group(f"{len(shown[IN_SIGHT:])} more series, by size", False, cards(shown[IN_SIGHT:])),
        Group(f"Of the others, the {len(worst)} that yesterday's forecast missed most", True, cards(worst)),
    )
    left_out = 0 if few else len(panel.names) - LARGEST - len(worst)
    return tuple(group for group in made if group.cards), left_out


def past_forecast_cards(panel: SeriesCharts, scores: pd.DataFrame, clock: Clock) -> tuple[Card, ...]:
    """Yesterday against what came: the main series and the two that were missed most."""
    notes = {row.unique_id: _note(row) for row in scores.itertuples()}
    names = dict.fromkeys([*panel.names[:1], *scores.loc[scores["mae"].notna(), "unique_id"].head(3)])
    drawn = [name for name in names if name in panel.yesterday][:3]
    return tuple(
        Card(name, notes.get(name, ""), draw_fan_chart(panel.past_forecast(name, clock), SMALL)) for name in drawn
    )


def _note(score: Any) -> str:
    inside = f", {percent(score.inside)} inside" if score.inside == score.inside else ""
    return f"off by {figure(score.mae)} yesterday{inside}" if score.mae == score.mae else ""


def _by_series(frame: pd.DataFrame) -> Frames:
    if frame.empty:
        return {}
    ordered = frame.assign(unique_id=frame["unique_id"].astype(str)).sort_values(["unique_id", "ds"], kind="stable")
    return {str(name): part.reset_index(drop=True) for name, part in ordered.groupby("unique_id", sort=False)}


def _sum(frames: Frames, name: str, column: str) -> float:
    return float(frames[name][column].sum()) if name in frames else 0.0


def _cutoff(past: pd.DataFrame, forecast: pd.DataFrame) -> float:
    if len(forecast) and "cutoff" in forecast:
        return float(seconds(forecast["cutoff"])[0])
    return float(seconds(past["ds"]).max()) if len(past) else 0.0


def _after(frame: pd.DataFrame, since: float) -> pd.DataFrame:
    return frame[seconds(frame["ds"]) >= since]
