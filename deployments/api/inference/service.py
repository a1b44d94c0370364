"""What a request does: forecasts of known series and of histories, observations, and the exchange of the champion.

All methods run in one thread, one after the other: the states of the series need no lock.
"""

from typing import Any

import numpy as np

from deployments.api.inference.answers import format_forecast, format_times
from deployments.api.inference.champion import ServedChampion
from deployments.api.inference.expected import Expectations
from deployments.api.inference.handover import take_over
from deployments.api.inference.histories import forecast_rows
from deployments.api.inference.observation_rules import compile_value_rules
from deployments.api.inference.observations import Taken, apply_observations, in_rounds, locate
from deployments.api.problems import Problem
from deployments.api.schemas import ForecastRequest, ObserveRequest, SeriesObservation
from models.streaming.forecaster import StreamingForecaster

MAX_NAMES = 5


class ForecastService:
    """The champion and the kept states of its series."""

    def __init__(self, champion: ServedChampion) -> None:
        self._serve(champion)

    def exchange(self, champion: ServedChampion) -> int:
        """Serve another champion, or the same after another night; take over the observations that are newer.

        Returns:
            The number of observations that were taken over.
        """
        before = self.forecaster
        self._serve(champion)
        return take_over(before, self.forecaster)

    def _serve(self, champion: ServedChampion) -> None:
        self.champion, self.forecaster = champion, champion.forecaster
        self.rows = {name: row for row, name in enumerate(self.forecaster.states.ids)}
        self.names = sorted(self.rows)
        self.rules = compile_value_rules(champion.contract, champion.columns)
        self.expected = Expectations(champion)

    def heading(self) -> dict[str, Any]:
        """Return what every answer begins with: pipeline, model and what forecasts follow from."""
        encoding = "carried state" if self.forecaster.carried else "lookback"
        return {"pipeline": self.champion.pipeline, "model": self.champion.identity, "encoding": encoding}

    def forecast_many(self, requests: list[list[str]]) -> list[dict[str, Any] | Problem]:
        """Forecast known series of several requests at once, each series only once; a request fails alone."""
        asked: list[np.ndarray | Problem] = []
        for names in requests:
            try:
                asked.append(self.rows_of(names))
            except Problem as problem:
                asked.append(problem)
        known = [rows for rows in asked if isinstance(rows, np.ndarray)]
        rows = np.unique(np.concatenate(known)) if known else np.array([], dtype=np.int64)
        forecasts = dict(zip(rows.tolist(), self._forecasts(self.forecaster, rows), strict=True))
        answers: list[dict[str, Any] | Problem] = []
        for part in asked:
            if isinstance(part, Problem):
                answers.append(part)
                continue
            chosen = [forecasts[row] for row in part.tolist()]
            failed = [forecast for forecast in chosen if isinstance(forecast, Problem)]
            answers.append(failed[0] if failed else self.heading() | {"forecasts": chosen})
        return answers

    def forecast(self, request: ForecastRequest) -> dict[str, Any]:
        """Forecast known series after observations that are not kept, or a history. Raises Problem."""
        if request.history is not None:
            return self.heading() | {"encoding": "lookback", "forecasts": forecast_rows(self.champion, request.history)}
        rows = self.rows_of(request.series or [])
        taken = self._locate(request.observations)
        if strangers := {entry.observation.unique_id for entry in taken} - set(request.series or []):
            raise Problem(422, f"an observation is of series {min(strangers)!r}, which `series` does not name")
        kept = self.forecaster
        copy = StreamingForecaster(kept.predictor, kept.states.select(rows), kept.timeline, kept.carried)
        order = {int(row): index for index, row in enumerate(rows)}
        for part in in_rounds([entry._replace(row=order[entry.row]) for entry in taken]):
            apply_observations(copy, part)
        return self.heading() | {"forecasts": _require(self._forecasts(copy, np.arange(len(rows))))}

    def observe(self, request: ObserveRequest) -> dict[str, Any]:
        """Take observations and forecast what follows. Nothing is taken if one is refused. Raises Problem."""
        taken = self._locate(request.observations)
        results: dict[int, dict[str, Any]] = {}
        for part in in_rounds(taken):
            expected = self.expected.compare(self.forecaster, part)
            outcomes = apply_observations(self.forecaster, part)
            self.expected.forget(np.array([entry.row for entry in part]))
            for entry, outcome, (y_hat, p_value) in zip(part, outcomes, expected, strict=True):
                seen = entry.observation
                results[entry.number] = {
                    "unique_id": seen.unique_id,
                    "ds": format_times(self.forecaster.timeline.times[entry.step : entry.step + 1])[0],
                    "outcome": outcome.value,
                    "y": seen.y,
                    "y_hat": y_hat,
                    "p_value": p_value,
                }
        rows = np.array(list(dict.fromkeys(entry.row for entry in taken)))
        made = self._forecasts(self.forecaster, rows) if request.forecast else []
        names = [self.forecaster.states.ids[row] for row in rows] if made else []
        return self.heading() | {
            "results": [results[number] for number in sorted(results)],
            "forecasts": [forecast for forecast in made if not isinstance(forecast, Problem)],
            "without_forecast": [
                {"unique_id": name, "detail": problem.detail}
                for name, problem in zip(names, made, strict=True)
                if isinstance(problem, Problem)
            ],
        }

    def describe(self, name: str) -> dict[str, Any]:
        """Return what is kept of a series and its forecast. Raises Problem."""
        rows, states = self.rows_of([name]), self.forecaster.states
        row = int(rows[0])
        times = self.forecaster.timeline.times[: int(states.newest[row]) + 1][-states.kept :]
        values = states.y[row, states.kept - len(times) :]
        texts = format_times(times)
        observed = [[time, value if np.isfinite(value) else None] for time, value in zip(texts, values, strict=True)]
        forecast = self._forecasts(self.forecaster, rows)[0]
        known = list(self.champion.bundle.view.features.known_columns)
        facts = {"unique_id": name, "newest": texts[-1], "observed": observed, "known": known}
        return self.heading() | facts | {"forecast": None if isinstance(forecast, Problem) else forecast}

    def rows_of(self, names: list[str]) -> np.ndarray:
        """Return the rows of series, (b,), each once. Raises Problem if one is not known."""
        unknown = [name for name in names if name not in self.rows]
        if unknown:
            known = ", ".join(map(repr, self.forecaster.states.ids[:MAX_NAMES]))
            detail = f"series {unknown[0][:80]!r} is not among the {len(self.rows)} known series ({known} …)."
            raise Problem(404, f"{detail} List them with GET /v1/series, or send its history to POST /v1/forecast.")
        return np.array([self.rows[name] for name in dict.fromkeys(names)], dtype=np.int64)

    def _locate(self, observations: list[SeriesObservation]) -> list[Taken]:
        self.rows_of([seen.unique_id for seen in observations])
        return locate(observations, self.rows, self.forecaster, self.rules)

    def _misses_known(self, forecaster: StreamingForecaster, rows: np.ndarray) -> np.ndarray:
        """Return whether a step of the horizon has none of the covariates that are known in advance, (b,)."""
        ahead = forecaster.states.known[rows, forecaster.states.kept :]
        return np.asarray(np.isnan(ahead).all(axis=2).any(axis=1)) if ahead.shape[2] else np.zeros(len(rows), bool)

    def _forecasts(self, forecaster: StreamingForecaster, rows: np.ndarray) -> list[dict[str, Any] | Problem]:
        """Forecast rows of a forecaster; a Problem in the place of a series that can't be forecast."""
        states, timeline, levels = forecaster.states, forecaster.timeline, self.champion.bundle.levels
        misses_known = self._misses_known(forecaster, rows)
        ready = rows[~misses_known]
        quantiles = forecaster.forecast(ready, *self.champion.limits)
        is_finite = np.isfinite(quantiles).all(axis=(1, 2))
        if forecaster is self.forecaster:
            self.expected.remember(forecaster, ready[is_finite], quantiles[is_finite])
        made: dict[int, dict[str, Any] | Problem] = {}
        for row, values, usable in zip(ready.tolist(), quantiles, is_finite, strict=True):
            fault = f"the model gives no finite forecast for series {states.ids[row]!r}. Check its newest values."
            made[row] = format_forecast(states, row, timeline, values, levels) if usable else Problem(422, fault)
        names = ", ".join(self.champion.bundle.view.features.known_columns)
        for row in rows[misses_known].tolist():
            fault = f"series {states.ids[row]!r} has no values of {names} for its horizon."
            made[row] = Problem(422, f"{fault} Send them as `known` of an observation.")
        return [made[row] for row in rows.tolist()]


def _require(forecasts: list[dict[str, Any] | Problem]) -> list[dict[str, Any]]:
    """Return forecasts. Raises Problem, the first of them, if a series can't be forecast."""
    for forecast in forecasts:
        if isinstance(forecast, Problem):
            raise forecast
    return [forecast for forecast in forecasts if not isinstance(forecast, Problem)]
