"""Observations between a request and the kept states: where each belongs, which are refused, in which order."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from deployments.api.observation_rules import ValueRule, find_fault
from deployments.api.problems import Problem
from deployments.api.schemas import Observation, to_microseconds
from models.data.features import FeatureSpec
from models.streaming.forecaster import Outcome, StreamingForecaster
from models.streaming.timeline import Timeline

MAX_AHEAD_STEPS = 100_000  # of an observation, counted from the newest known step of any series


class Taken(NamedTuple):
    """An observation with the row and the step that it belongs to, and its number in the request."""

    observation: Observation
    row: int
    step: int
    number: int


def locate(
    observations: list[Observation], rows: dict[str, int], forecaster: StreamingForecaster, rules: tuple[ValueRule, ...]
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
        else:
            fault = _foreign_covariate(seen, view.features)
            values = {"unique_id": seen.unique_id, "y": seen.y, **seen.covariates}
            fault = fault or find_fault(values, rules, forecaster.states.y[row])
        if fault:
            errors.append({"pointer": f"/observations/{number}", "detail": f"series {seen.unique_id!r}: {fault}"})
        taken.append(Taken(seen, row, step, number))
    if errors:
        refused = f"{len(errors)} of {len(observations)} observations are refused, and none was taken"
        raise Problem(422, f"{refused}. {errors[0]['pointer']}: {errors[0]['detail']}", errors)
    return taken


def _foreign_covariate(seen: Observation, features: FeatureSpec) -> str:
    """Return what is wrong with the names of an observation's covariates; empty if nothing is."""
    for given, allowed, kind in (
        (seen.covariates, features.observed, "observed"),
        (seen.known, features.known_columns, "known in advance"),
    ):
        if strange := sorted(set(given) - set(allowed)):
            names = f"which are {', '.join(allowed)}" if allowed else "and the model has none"
            return f"{strange[0]!r} is not among the covariates that are {kind}, {names}"
    return ""


def find_step(timeline: Timeline, time: int) -> int:
    """Return the step of a time in microseconds; -1 if it is between two steps or too far from the known ones."""
    if time > timeline.times[-1]:
        width = max(1, int(timeline.times[-1] - timeline.times[-2]))
        ahead = (time - int(timeline.times[-1])) // width + 1
        if ahead > MAX_AHEAD_STEPS:
            return -1
        timeline.require(len(timeline.times) + ahead)
    return int(timeline.find(np.array([time]))[0])


def in_rounds(taken: list[Taken]) -> Iterator[list[Taken]]:
    """Split observations into parts in which each series has one at most, in their order."""
    remaining = taken
    while remaining:
        part: dict[int, Taken] = {}
        later = []
        for entry in remaining:
            if entry.row in part:
                later.append(entry)
            else:
                part[entry.row] = entry
        yield list(part.values())
        remaining = later


def apply_observations(forecaster: StreamingForecaster, part: list[Taken]) -> tuple[Outcome, ...]:
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
    """Write covariates that are known in advance to the steps of the horizon that lack them."""
    ahead: Any = forecaster.states.known[entry.row, forecaster.states.kept :]
    for index, name in enumerate(columns):
        given = entry.observation.known.get(name, [])
        missing = np.flatnonzero(np.isnan(ahead[:, index]))[: len(given)]
        ahead[missing, index] = given[: len(missing)]


def take_over(before: StreamingForecaster, after: StreamingForecaster) -> int:
    """Apply the observations that one forecaster has and a newer one, built from a night, has not.

    Returns:
        The number of observations.
    """
    rows, count = {name: row for row, name in enumerate(after.states.ids)}, 0
    for old, name in enumerate(before.states.ids):
        row = rows.get(name)
        if row is None:
            continue
        times = before.timeline.times[: int(before.states.newest[old]) + 1][-before.states.kept :]
        values = before.states.y[old, before.states.kept - len(times) :]
        observed = before.states.observed[old, before.states.kept - len(times) :]
        newest = after.timeline.times[after.states.newest[row]]
        for index in np.flatnonzero((times > newest) & np.isfinite(values)):
            step = find_step(after.timeline, int(times[index]))
            if step > after.states.newest[row]:
                has_same = after.states.observed.shape[2] == observed.shape[1] and observed.shape[1] > 0
                covariates = observed[[index]] if has_same else None
                after.step(np.array([row]), np.array([step]), values[[index]], covariates)
                count += 1
    return count
