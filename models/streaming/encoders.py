"""States of encoders along a series: read segment by segment, with older states from which late values are read again.

A state after a step is (b, M, k, l, hidden): b series, M members, k state tensors of a cell, l layers.
"""

from dataclasses import dataclass

import numpy as np

from models.bundle import Bundle
from models.data.panel import Panel
from models.networks.architecture import state_shape
from models.predict import BATCH_SIZE, Predictor
from models.restore import restore_spec, segment_steps


@dataclass
class EncoderStates:
    """States of S series, each (S, M, k, l, hidden) float32, and the steps after which they are, each (S,) int64."""

    newest: np.ndarray
    newest_step: np.ndarray
    before: np.ndarray  # one segment before `newest`: a forecast reads the newest segment from here
    middle: np.ndarray
    middle_step: np.ndarray
    oldest: np.ndarray
    oldest_step: np.ndarray


def spacing_steps(bundle: Bundle) -> int:
    """Return the steps between two kept states: half a lookback in whole segments. So late a value can always be."""
    segment = segment_steps(bundle)
    return -(-bundle.lookback // (2 * segment)) * segment


def kept_steps(bundle: Bundle) -> int:
    """Return the steps to keep of each series: the lookback, and for encoder states what follows the oldest of them."""
    if bundle.kind != "recurrent":
        return bundle.history
    return max(bundle.history, 2 * spacing_steps(bundle) + segment_steps(bundle))


def empty_state(bundle: Bundle, count: int) -> np.ndarray:
    """Return the states (count, M, k, l, hidden) before anything was read; l counts both directions."""
    return np.zeros((count, bundle.recurrent.members, *state_shape(restore_spec(bundle))), dtype=np.float32)


def read_segments(
    predictor: Predictor, panel: Panel, codes: np.ndarray, state: np.ndarray, position: np.ndarray, until: np.ndarray
) -> np.ndarray:
    """Read whole segments of series.

    Args:
        predictor: A network that streams exactly.
        panel: The series.
        codes: Series to read, (b,).
        state: State of each after its step `position`, (b, M, k, l, hidden).
        position: Last step that was read, (b,), within each series.
        until: Step to read up to, (b,), whole segments after `position`; not before it.

    Returns:
        The states after `until`.
    """
    segment = segment_steps(predictor.bundle)
    longest = predictor.bundle.lookback // segment * segment  # a collated window has no more steps
    state, position = state.copy(), position.copy()
    while (left := until - position).max(initial=0) > 0:
        taken = np.minimum(left, longest)
        for count in np.unique(taken[taken > 0]):
            group = np.flatnonzero(taken == count)
            for start in range(0, len(group), BATCH_SIZE):
                part = group[start : start + BATCH_SIZE]
                output = predictor.forecast_windows(panel, codes[part], position[part] + count, state[part], int(count))
                state[part] = output.state
        position = position + taken
    return state


def read_history(predictor: Predictor, panel: Panel, codes: np.ndarray, cutoff: int) -> EncoderStates:
    """Read series from their first whole segment to the cutoff.

    Args:
        predictor: A network that streams exactly.
        panel: The series.
        codes: Series to read, (S,).
        cutoff: Step of the grid up to which series are read; a segment ends there.

    Returns:
        The states, with steps of the panel's grid.
    """
    bundle, first = predictor.bundle, panel.first[codes]
    segment, spacing = segment_steps(bundle), spacing_steps(bundle)
    last = cutoff - first
    begin = (last + 1) % segment - 1  # the step before the first whole segment
    state, position = empty_state(bundle, len(codes)), begin
    states, steps = [], []
    for distance in (2 * spacing, spacing, segment, 0):
        until = np.maximum(last - distance, position)
        state = read_segments(predictor, panel, codes, state, position, until)
        position = until
        states.append(state)
        steps.append(first + until)
    oldest, middle, before, newest = states
    return EncoderStates(newest, steps[3], before, middle, steps[1], oldest, steps[0])
