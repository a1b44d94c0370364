"""What is kept of each series between observations: its newest steps, and for networks that stream, encoder states.

S series · B kept steps · H horizon · K known, O observed covariates · M members · k state tensors · l layers
"""

import errno
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from data_contracts.errors import NightcastError
from models.data.closed_times import SLOTS as WEEK_SLOTS
from models.data.panel import InputSpec, Panel
from models.streaming.encoders import EncoderStates
from models.streaming.timeline import Timeline

HEADER = "nightcast-states"
ARRAYS = ("newest", "y", "known", "observed", "earlier", "closed")
FORMAT = 1
SYSTEM_ERROR = re.compile(r"os error (\d+)")  # in the message of a SafetensorError
SERIES_PER_BATCH = 1000  # whose pages of a mapped table are in memory at a time


class StatesDamaged(NightcastError):
    """The bytes cannot be read as kept states."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"these bytes are not kept states: {reason}. Run the night again; it writes them anew.")


@dataclass
class SeriesStates:
    """Arrays of S series. They are changed in place by `StreamingForecaster`."""

    ids: tuple[str, ...]
    static: tuple[tuple[str, ...], ...]  # a tuple of S values for each static covariate
    newest: np.ndarray  # (S,) int64, the newest step of each series
    y: np.ndarray  # (S, B) float64, NaN where nothing was observed
    known: np.ndarray  # (S, B + H, K) float64
    observed: np.ndarray  # (S, B, O) float64
    earlier: np.ndarray  # (S, 2) smallest and largest observation before the kept steps
    closed: np.ndarray  # (S, 168) bool, the hours of a week at which the series never has a value
    encoders: EncoderStates | None = None

    @classmethod
    def from_panel(cls, panel: Panel, codes: np.ndarray, cutoff: int, kept: int) -> "SeriesStates":
        """Keep the newest steps of a panel.

        Args:
            panel: The series.
            codes: Series to keep, (S,).
            cutoff: Step of the grid up to which series were observed.
            kept: Steps to keep, B; at least the lookback of the model.

        Returns:
            The states, without encoder states.
        """
        position, back = cutoff - panel.first[codes], np.arange(1 - kept, 1)
        both = np.arange(1 - kept, panel.view.horizon + 1)
        earlier, y = np.full((len(codes), 2), np.nan), np.empty((len(codes), kept))
        for part in panel.window_batches(len(codes), SERIES_PER_BATCH):
            y[part] = panel.take(panel.y, codes[part], position[part], back)
            for row in range(*part.indices(len(codes))):
                begin = panel.starts[codes[row]]
                before = panel.y[begin : begin + max(0, position[row] - kept + 1)]
                if np.isfinite(before).any():
                    earlier[row] = np.nanmin(before), np.nanmax(before)
        return cls(
            ids=tuple(panel.ids[code] for code in codes),
            static=tuple(tuple(values[code] for code in codes) for values in panel.static),
            newest=np.full(len(codes), cutoff, dtype=np.int64),
            y=y,
            known=panel.take(panel.known, codes, position, both),
            observed=panel.take(panel.observed, codes, position, back),
            earlier=earlier,
            closed=np.zeros((len(codes), WEEK_SLOTS), dtype=bool),
        )

    @property
    def kept(self) -> int:
        """Steps that are kept of each series."""
        return self.y.shape[1]

    @property
    def size_bytes(self) -> int:
        """Bytes of all arrays."""
        arrays = [getattr(self, name) for name in ARRAYS]
        arrays += list(vars(self.encoders).values()) if self.encoders else []
        return sum(array.nbytes for array in arrays)

    def to_panel(self, rows: np.ndarray, timeline: Timeline, view: InputSpec) -> Panel:
        """Return the kept steps of some series as a panel, whose cutoffs are at position B - 1.

        Args:
            rows: Indices of the series, (b,).
            timeline: The steps that `newest` counts.
            view: What the model reads.

        Returns:
            A panel of b series with B + H rows each; y is NaN over the horizon.
        """
        timeline.require(int(self.newest[rows].max(initial=0)))
        count, length = len(rows), self.kept + view.horizon
        y = np.full((count, length), np.nan)
        y[:, : self.kept] = self.y[rows]
        observed = np.full((count, length, self.observed.shape[2]), np.nan)
        observed[:, : self.kept] = self.observed[rows]
        return Panel(
            view=view,
            ids=tuple(self.ids[row] for row in rows),
            first=self.newest[rows] - self.kept + 1,
            starts=np.arange(count, dtype=np.int64) * length,
            lengths=np.full(count, length, dtype=np.int64),
            grid=timeline.times,  # only its length is read: no pandas while a request waits
            y=y.reshape(-1),
            known=self.known[rows].reshape(count * length, -1),
            observed=observed.reshape(count * length, -1),
            calendar=timeline.calendar,
            clock=timeline.clock,
            static=tuple(tuple(values[row] for row in rows) for values in self.static),
            earlier=self.earlier[rows],
        )

    def shift(self, rows: np.ndarray) -> None:
        """Move some series on by one step, at which nothing was observed yet."""
        leaving = self.y[rows, 0]
        self.earlier[rows, 0] = np.fmin(self.earlier[rows, 0], leaving)
        self.earlier[rows, 1] = np.fmax(self.earlier[rows, 1], leaving)
        for values in (self.y, self.known, self.observed):
            values[rows, :-1] = values[rows, 1:]
            values[rows, -1] = np.nan
        self.newest[rows] += 1

    def save(self, path: Path, timeline: Timeline, facts: dict[str, Any]) -> None:
        """Write the states as safetensors, without a copy of the arrays. The same states give the same bytes.

        Args:
            path: The file, which is overwritten.
            timeline: The steps that `newest` counts; the steps that are kept of any series are stored.
            facts: JSON values to store with them, such as the digest of the model.

        Raises:
            OSError: The file cannot be written, with the errno of a full disk if that is the reason.
        """
        first = max(0, int(self.newest.min(initial=0)) - self.kept + 1)
        tensors = {name: getattr(self, name) for name in ARRAYS}
        tensors |= {"newest": self.newest - first, "times": timeline.times[first : int(self.newest.max(initial=0)) + 1]}
        if self.encoders:
            stored = vars(self.encoders).items()
            tensors |= {f"encoder.{n}": value - first if n.endswith("_step") else value for n, value in stored}
        header = {"format": FORMAT, "ids": self.ids, "static": self.static, "facts": facts}
        text = json.dumps(header, sort_keys=True, ensure_ascii=False)
        try:
            save_file({n: np.ascontiguousarray(tensors[n]) for n in sorted(tensors)}, path, {HEADER: text})
        except SafetensorError as error:
            number = SYSTEM_ERROR.search(str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error

    @classmethod
    def from_bytes(cls, data: bytes, view: InputSpec) -> tuple["SeriesStates", Timeline, dict[str, Any]]:
        """Read states, the timeline of their steps and the facts stored with them. Raises StatesDamaged."""
        try:
            size = int.from_bytes(data[:8], "little")
            header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][HEADER])
            _require_format(header["format"])
            tensors = {name: value.copy() for name, value in load(data).items()}
            stored = {
                name.removeprefix("encoder."): value for name, value in tensors.items() if name.startswith("encoder.")
            }
            encoders = EncoderStates(**stored) if stored else None
            static = tuple(tuple(values) for values in header["static"])
            arrays = {name: tensors[name] for name in ARRAYS}
            states = cls(ids=tuple(header["ids"]), static=static, encoders=encoders, **arrays)
            return states, Timeline.from_times(tensors["times"], view), header["facts"]
        except (SafetensorError, KeyError, TypeError, ValueError, IndexError, RecursionError) as damage:
            raise StatesDamaged(str(damage)) from damage

    def select(self, rows: np.ndarray) -> "SeriesStates":
        """Return a copy of the states of some series, (b,), that can be changed on its own."""
        encoders = None
        if self.encoders:
            encoders = EncoderStates(**{name: value[rows] for name, value in vars(self.encoders).items()})
        return SeriesStates(
            ids=tuple(self.ids[row] for row in rows),
            static=tuple(tuple(values[row] for row in rows) for values in self.static),
            encoders=encoders,
            **{name: getattr(self, name)[rows] for name in ARRAYS},
        )


def _require_format(stored: object) -> None:
    if stored != FORMAT:
        raise ValueError(f"their format is {stored}, and this release reads {FORMAT}")
