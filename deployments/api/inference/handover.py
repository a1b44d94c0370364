"""What a service has seen since the night, carried over to the states of another champion or of the next night."""

import numpy as np

from deployments.api.inference.observations import find_step
from models.streaming.forecaster import StreamingForecaster


def take_over(before: StreamingForecaster, after: StreamingForecaster) -> int:
    """Apply the observations that one forecaster has and a newer one, built from a night, has not.

    Covariates that are known in advance are taken over for the steps at which the newer forecaster has none.

    Returns:
        The number of observations.
    """
    rows = {name: row for row, name in enumerate(after.states.ids)}
    pairs = [(row, rows[name]) for row, name in enumerate(before.states.ids) if name in rows]
    old, new = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    steps = before.states.newest[old][:, None] + np.arange(1 - before.states.kept, 1)
    times, last = before.timeline.times[np.maximum(steps, 0)], after.timeline.times[after.states.newest[new]]
    is_newer = (steps >= 0) & np.isfinite(before.states.y[old]) & (times > last[:, None])
    index, column = np.nonzero(is_newer)
    unique, codes = np.unique(times[index, column], return_inverse=True)
    targets = np.array([find_step(after.timeline, int(time)) for time in unique], dtype=np.int64)[codes]
    index, column, targets = (values[targets >= 0] for values in (index, column, targets))
    y, covariates = before.states.y[old[index], column], _shared_covariates(before, after, old[index], column)
    numbers = np.arange(len(index)) - np.searchsorted(index, index)  # of the observation within its series
    for number in range(int(numbers.max(initial=-1)) + 1):
        part = numbers == number
        after.step(new[index[part]], targets[part], y[part], None if covariates is None else covariates[part])
    _take_over_known(before, after, old, new)
    return len(index)


def _shared_covariates(
    before: StreamingForecaster, after: StreamingForecaster, rows: np.ndarray, column: np.ndarray
) -> np.ndarray | None:
    """Return the observed covariates (n, O) that both models read, by their names; None if the newer reads none."""
    names, source = after.view.features.observed, before.view.features.observed
    if not names:
        return None
    values = np.full((len(rows), len(names)), np.nan)
    for position, name in enumerate(names):
        if name in source:
            values[:, position] = before.states.observed[rows, column, source.index(name)]
    return values


def _take_over_known(before: StreamingForecaster, after: StreamingForecaster, old: np.ndarray, new: np.ndarray) -> None:
    """Write covariates that are known in advance where the newer forecaster has none. Rows of both are (n,)."""
    source, wanted = before.view.features.known_columns, after.view.features.known_columns
    shared = [(source.index(name), wanted.index(name)) for name in wanted if name in source]
    if not shared:
        return
    newest = np.stack([before.states.newest[old], after.states.newest[new]], axis=1)
    for last, target in np.unique(newest, axis=0):
        group = (newest == (last, target)).all(axis=1)
        begin = max(0, last + 1 - before.states.kept)
        steps = np.arange(begin, last + 1 + before.view.horizon)
        after_steps = after.timeline.find(before.timeline.times[steps])
        positions = after_steps - target + after.states.kept - 1
        is_kept = (after_steps >= 0) & (positions >= 0) & (positions < after.states.known.shape[1])
        given = steps[is_kept] - last + before.states.kept - 1
        for from_column, to_column in shared:
            cells = np.ix_(new[group], positions[is_kept], [to_column])
            values = before.states.known[np.ix_(old[group], given, [from_column])]
            kept = after.states.known[cells]
            after.states.known[cells] = np.where(np.isnan(kept), values, kept)
