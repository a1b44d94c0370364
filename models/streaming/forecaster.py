"""StreamingForecaster: one observation moves the state of its series on, and the forecast follows.

A network that streams exactly goes on from the state of its encoder: each step costs the same, however long the series
is. Any other model, and a segment that is still open, reads the kept lookback again.
"""

from enum import StrEnum

import numpy as np

from models.calibration.shares import SHARES
from models.predict import BATCH_SIZE, CalibratedForecast, Predictor, WindowForecast
from models.recalibration import Recalibration, apply_recalibration
from models.restore import segment_steps
from models.streaming.encoders import EncoderStates, read_history, read_segments, spacing_steps
from models.streaming.obstacles import streams_exactly
from models.streaming.states import SeriesStates
from models.streaming.timeline import Timeline


class StepOutcome(StrEnum):
    """What became of an observation."""

    ADVANCED = "advanced"  # it is the newest of its series; steps that were skipped count as not observed
    FILLED = "filled"  # late: nothing was observed at its step so far
    CORRECTED = "corrected"  # its step had another value
    REPEATED = "repeated"  # its step has these values already, or the observation is empty: nothing changes
    TOO_OLD = "too old"  # before the steps that can still change: nothing changes
    RESTARTED = "restarted"  # after a gap longer than the kept steps, of which nothing is left


class StreamingForecaster:
    """A model and the kept states of its series."""

    def __init__(
        self,
        predictor: Predictor,
        states: SeriesStates,
        timeline: Timeline,
        carried: bool = False,
        recalibration: Recalibration | None = None,
    ) -> None:
        """Take over the states.

        Args:
            predictor: The model.
            states: At least a lookback of each series. Changed in place.
            timeline: The steps that the states count.
            carried: Go on from encoder states where the model streams exactly, so that a forecast follows from the
                whole series. Otherwise it follows from the lookback, as in a night.
            recalibration: Factors on the intervals of the series, in their order, and the moved shares of their
                medians; None: all factors are 1, and no share has moved.
        """
        bundle = predictor.bundle
        neutral = Recalibration.neutral(len(states.ids), bundle.horizon, len(bundle.levels))
        self.recalibration = recalibration or neutral
        self.predictor, self.states, self.timeline = predictor, states, timeline
        self.view = predictor.bundle.view
        self.encoders: EncoderStates | None = None
        self._read_last: tuple[np.ndarray, np.ndarray, CalibratedForecast] | None = None  # rows, their steps, forecasts
        if carried and streams_exactly(predictor.bundle):
            self.segment, self.spacing = segment_steps(predictor.bundle), spacing_steps(predictor.bundle)
            self.encoders = states.encoders = states.encoders or self._read_kept_steps()

    @property
    def carried(self) -> bool:
        """Whether forecasts go on from encoder states."""
        return self.encoders is not None

    def step(
        self, rows: np.ndarray, steps: np.ndarray, y: np.ndarray, observed: np.ndarray | None = None
    ) -> tuple[StepOutcome, ...]:
        """Take one observation of each of some series.

        Args:
            rows: Indices of the series, (b,), each at most once.
            steps: Step of each observation on the timeline, (b,).
            y: Observed values, (b,); NaN: nothing was observed at this step.
            observed: Observed covariates, (b, O); None: none.

        Returns:
            What became of each observation.
        """
        gap = steps - self.states.newest[rows]
        outcomes = [StepOutcome.ADVANCED] * len(rows)
        for index in np.flatnonzero(gap <= 0):
            seen = None if observed is None else observed[index]
            outcomes[index] = self._write_late(int(rows[index]), int(steps[index]), float(y[index]), seen)
        for index in np.flatnonzero(gap > self.states.kept):
            outcomes[index] = StepOutcome.RESTARTED
            self._restart(int(rows[index]), int(steps[index]))
        gap = np.where(gap > self.states.kept, 1, gap)
        for count in range(1, int(gap.max(initial=0)) + 1):
            self.states.shift(rows[gap >= count])
            arrived = gap == count
            self.states.y[rows[arrived], -1] = y[arrived]
            if observed is not None:
                self.states.observed[rows[arrived], -1] = observed[arrived]
            self._advance(rows[gap >= count])
        return tuple(outcomes)

    def forecast(self, rows: np.ndarray, minimum: float | None = None, maximum: float | None = None) -> np.ndarray:
        """Forecast the horizon after the newest step of some series.

        Args:
            rows: Indices of the series, (b,).
            minimum: Lower limit of every forecast, or None.
            maximum: Upper limit of every forecast, or None.

        Returns:
            Quantiles (b, H, Q) in the units of the source, non-decreasing in Q and inside the limits.
        """
        bundle = self.predictor.bundle
        quantiles = np.empty((len(rows), bundle.horizon, len(bundle.levels)))
        differences = np.zeros((len(SHARES), len(rows), bundle.horizon))
        at_end = np.zeros(len(rows), dtype=bool)
        if self.encoders is not None:
            at_end = self.states.newest[rows] == self.encoders.newest_step[rows]
        for from_state in (True, False):
            group = np.flatnonzero(at_end == from_state)
            for start in range(0, len(group), BATCH_SIZE):
                part = group[start : start + BATCH_SIZE]
                forecast = self._forecast(rows[part], from_state)
                quantiles[part] = forecast.quantiles
                differences[:, part] = 0.0 if forecast.differences is None else forecast.differences
        ordered = np.sort(quantiles, axis=-1)
        quantiles = apply_recalibration(ordered, self.recalibration, bundle.levels, rows, differences)
        return self.predictor.restricted(quantiles, minimum, maximum)

    def _forecast(self, rows: np.ndarray, from_state: bool) -> CalibratedForecast:
        if from_state:
            if self._read_last is not None:
                known, steps, forecast = self._read_last
                if np.array_equal(known, rows) and np.array_equal(steps, self.states.newest[rows]):
                    return forecast
            return self.predictor.calibrated(self._forecast_from_state(rows))
        panel = self.states.to_panel(rows, self.timeline, self.view)
        return self.predictor.forecast(panel, np.arange(len(rows)), np.full(len(rows), self.states.kept - 1))

    def _write_late(self, row: int, step: int, value: float, observed: np.ndarray | None) -> StepOutcome:
        index = self.states.kept - 1 - (int(self.states.newest[row]) - step)
        if index < 0 or (self.encoders is not None and step <= self.encoders.oldest_step[row]):
            return StepOutcome.TOO_OLD
        current, kept = self.states.y[row, index], self.states.observed[row, index]
        covariates = kept if observed is None else np.where(np.isnan(observed), kept, observed)
        value = current if np.isnan(value) else value
        if np.array_equal([current, *kept], [value, *covariates], equal_nan=True):
            return StepOutcome.REPEATED
        self.states.y[row, index], self.states.observed[row, index] = value, covariates
        self._read_last = None
        self._read_again(row, step)
        return StepOutcome.FILLED if np.isnan(current) else StepOutcome.CORRECTED

    def _restart(self, row: int, step: int) -> None:
        """Forget what was kept of a series, so that `step` is its first."""
        states, encoders = self.states, self.encoders
        leaving = states.y[row][np.isfinite(states.y[row])]
        if len(leaving):
            states.earlier[row, 0] = np.fmin(states.earlier[row, 0], leaving.min())
            states.earlier[row, 1] = np.fmax(states.earlier[row, 1], leaving.max())
        for values in (states.y, states.known, states.observed):
            values[row] = np.nan
        states.newest[row] = step - 1
        if encoders is not None:
            for name in ("newest", "before", "middle", "oldest"):
                getattr(encoders, name)[row] = 0.0
            for name in ("newest_step", "middle_step", "oldest_step"):
                getattr(encoders, name)[row] = step - 1

    def _advance(self, rows: np.ndarray) -> None:
        """Read the newest segment of the series in which one has ended."""
        encoders = self.encoders
        if encoders is None:
            return
        ended = rows[self.states.newest[rows] - encoders.newest_step[rows] == self.segment]
        if not len(ended):
            return
        encoders.before[ended] = encoders.newest[ended]
        encoders.newest[ended] = self._read_newest_segment(ended)
        encoders.newest_step[ended] += self.segment
        due = ended[encoders.newest_step[ended] - encoders.middle_step[ended] >= self.spacing]
        encoders.oldest[due], encoders.oldest_step[due] = encoders.middle[due], encoders.middle_step[due]
        encoders.middle[due], encoders.middle_step[due] = encoders.newest[due], encoders.newest_step[due]

    def _read_newest_segment(self, rows: np.ndarray) -> np.ndarray:
        """Return the states of series after their newest segment, and keep the forecasts that reading it gives."""
        forecasts, states = list[CalibratedForecast](), []
        for start in range(0, len(rows), BATCH_SIZE):
            part = rows[start : start + BATCH_SIZE]
            output = self._forecast_from_state(part)
            forecasts.append(self.predictor.calibrated(output))
            states.append(output.state)
        self._read_last = rows, self.states.newest[rows], CalibratedForecast.join(forecasts)
        return np.concatenate(states)

    def _forecast_from_state(self, rows: np.ndarray) -> WindowForecast:
        """Read the newest segment of series from the state before it."""
        if self.encoders is None:
            raise TypeError("this model has no encoder states that could be carried")
        panel = self.states.to_panel(rows, self.timeline, self.view)
        codes, position = np.arange(len(rows)), np.full(len(rows), self.states.kept - 1)
        return self.predictor.forecast_windows(panel, codes, position, self.encoders.before[rows], self.segment)

    def _read(self, rows: np.ndarray, state: np.ndarray, after: np.ndarray, count: int) -> np.ndarray:
        """Return the states of series `count` steps after the steps `after`, whose states are given."""
        panel = self.states.to_panel(rows, self.timeline, self.view)
        position = after - panel.first
        return read_segments(self.predictor, panel, np.arange(len(rows)), state, position, position + count)

    def _read_again(self, row: int, step: int) -> None:
        """Read a series again from the newest kept state before `step`, whose value has changed."""
        encoders = self.encoders
        if encoders is None or step > encoders.newest_step[row]:
            return  # the segment of the step is still open
        alone = np.array([row])
        from_middle = step > encoders.middle_step[row]
        state = (encoders.middle if from_middle else encoders.oldest)[alone]
        after = (encoders.middle_step if from_middle else encoders.oldest_step)[alone]
        newest = encoders.newest_step[alone]
        targets = [] if from_middle else [(encoders.middle, encoders.middle_step[alone])]
        for kept, until in sorted(
            [*targets, (encoders.before, newest - self.segment)], key=lambda pair: int(pair[1][0])
        ):
            state, after = self._read(alone, state, after, int(until[0] - after[0])), until
            kept[alone] = state
        encoders.newest[alone] = self._read(alone, state, after, int(newest[0] - after[0]))
        if encoders.middle_step[row] == encoders.newest_step[row]:
            encoders.middle[alone] = encoders.newest[alone]

    def _read_kept_steps(self) -> EncoderStates:
        """Read the kept steps of all series, which then begin with the oldest of them."""
        rows, newest = np.arange(len(self.states.ids)), self.states.newest
        panel = self.states.to_panel(rows, self.timeline, self.view)
        groups = [np.flatnonzero(newest == step) for step in np.unique(newest)]
        parts = [read_history(self.predictor, panel, group, int(newest[group[0]])) for group in groups]
        order = np.argsort(np.concatenate(groups), kind="stable")
        joined = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in vars(parts[0])}
        return EncoderStates(**joined)
