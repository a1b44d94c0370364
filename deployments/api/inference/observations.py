"""Observations between a request and the kept states: where each belongs, which are refused, in which order."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from deployments.api.inference.answers import format_times
from deployments.api.inference.observation_rules import ValueRule, find_fault
from deployments.api.problems import Problem
from deployments.api.schemas import SeriesObservation, to_microseconds
from models.data.features import FeatureSpec
from models.streaming.forecaster import StepOutcome, StreamingForecaster
from models.streaming.timeline import Timeline

MAX_AHEAD_STEPS = 100_000  # of an observation, counted from the newest known step of any series


class Taken(NamedTuple):
    """An observation with the row and the step that it belongs to, and its number in the request."""

    observation: SeriesObservation
    row: int
    step: int
    number: int


def locate(
    observations: list[SeriesObservation],
    rows: dict[str, int],
    forecaster: StreamingForecaster,
    rules: tuple[ValueRule, ...],
) -> list[Taken]:
    """Find the row and the step of each observation.

    Args:
        observations: What a request has; the series are known.
        rows: Row of each known series.
        forecaster: The kept states.
        rules: Rules of the contract about single values.

    Returns:
        The observations, in their order.

    Raises:
        Problem: Some are refused: each is named with its series, value and rule.
    """
    taken, errors, now = [], [], datetime.now(UTC)
    view = forecaster.view
    for number, seen in enumerate(observations):
        row = rows[seen.unique_id]
        step = find_step(forecaster.timeline, to_microseconds(seen.ds)) if seen.ds <= now else -1
        if seen.ds > now:
            fault = f"ds is {seen.ds.isoformat()}, which is in the future: now it is {now:%Y-%m-%dT%H:%M:%SZ}"
        elif step < 0:
            fault = f"ds is {seen.ds.isoformat()}, which is not a step of the frequency {view.freq!r} near the series"
            fault += f"; the newest step of this series is {_format_step(forecaster, row)}"
        else:
            fault = _foreign_covariate(seen, view.features) or _uneven_known(seen, view.features)
            values = {"unique_id": seen.unique_id, "y": seen.y, **seen.covariates}
            fault = fault or find_fault(values, rules, forecaster.states.y[row])
        if fault:
            errors.append({"pointer": f"/observations/{number}", "detail": f"series {seen.unique_id!r}: {fault}"})
        taken.append(Taken(seen, row, step, number))
    if errors:
        refused = f"{len(errors)} of {len(observations)} observations are refused, and none was taken"
        raise Problem(422, f"{refused}. {errors[0]['pointer']}: {errors[0]['detail']}", errors)
    return taken


def _format_step(forecaster: StreamingForecaster, row: int) -> str:
    return format_times(forecaster.timeline.times[[forecaster.states.newest[row]]])[0]


def _foreign_covariate(seen: SeriesObservation, features: FeatureSpec) -> str:
    """Return what is wrong with the names of an observation's covariates; empty if nothing is."""
    for given, allowed, kind in (
        (seen.covariates, features.observed, "observed"),
        (seen.known, features.known_columns, "known in advance"),
    ):
        if strange := sorted(set(given) - set(allowed)):
            names = f"which are {', '.join(allowed)}" if allowed else "and the model has none"
            return f"{strange[0]!r} is not among the covariates that are {kind}, {names}"
    return ""


def _uneven_known(seen: SeriesObservation, features: FeatureSpec) -> str:
    """Return what is wrong with the covariates that are known in advance: each needs a value for the same steps."""
    if not seen.known:
        return ""
    counts = {name: len(seen.known.get(name, ())) for name in features.known_columns}
    if len(set(counts.values())) == 1:
        return ""
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"known has different numbers of values ({listed}). Give each of these covariates for the same steps"


def find_step(timeline: Timeline, time: int) -> int:
    """Return the step of a time in microseconds; -1 if it is between two steps or too far from the known ones."""
    if time > timeline.times[-1]:
        width = max(1, int(timeline.times[-1] - timeline.times[-2]))
        ahead = (time - int(timeline.times[-1])) // width + 1
        if ahead > MAX_AHEAD_STEPS:
            return -1
        timeline.require(len(timeline.times) + ahead)
    return int(timeline.find(np.array([time]))[0])


def in_rounds(taken: list[Taken]) -> list[list[Taken]]:
    """Split observations into parts in which each series has one at most, in their order."""
    parts: list[list[Taken]] = []
    counts: dict[int, int] = {}
    for entry in taken:
        number = counts.get(entry.row, 0)
        counts[entry.row] = number + 1
        if number == len(parts):
            parts.append([])
        parts[number].append(entry)
    return parts


def apply_observations(forecaster: StreamingForecaster, part: list[Taken]) -> tuple[StepOutcome, ...]:
    """Take one observation of each of some series; return what became of each."""
    features = forecaster.view.features
    observed = None
    if features.observed:
        values = [[entry.observation.covariates.get(name, np.nan) for name in features.observed] for entry in part]
        observed = np.array(values, dtype=float)
    y = np.array([np.nan if entry.observation.y is None else entry.observation.y for entry in part])
    rows, steps = np.array([entry.row for entry in part]), np.array([entry.step for entry in part])
    outcomes = forecaster.step(rows, steps, y, observed)
    for entry in part:
        if entry.observation.known:
            _write_known(forecaster, entry, features.known_columns)
    return outcomes


def _write_known(forecaster: StreamingForecaster, entry: Taken, columns: tuple[str, ...]) -> None:
    """Write covariates that are known in advance to the steps of the horizon after the newest that has any."""
    ahead: Any = forecaster.states.known[entry.row, forecaster.states.kept :]
    filled = np.flatnonzero(np.isfinite(ahead).any(axis=1))
    begin = int(filled[-1]) + 1 if len(filled) else 0
    for index, name in enumerate(columns):
        given = entry.observation.known[name][: len(ahead) - begin]
        ahead[begin : begin + len(given), index] = given
