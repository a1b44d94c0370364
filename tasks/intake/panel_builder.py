"""Build the panel of a table from the kept rows of its parts: each series on the grid of the whole table."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.panel_parts import PanelTableBuilder
from models.data.panel_table import PanelTable
from models.data.time_steps import grid_of_counts
from tasks.intake.growing_column import GrowingColumn
from tasks.intake.part_checks import KeptRows, PartCheck, read_kept
from tasks.intake.raw_parts import RawParts
from tasks.quality import time_grid
from tasks.sources.cleaning import aggregate_duplicates, fill_missing_with_zero
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes

MAX_COLUMN_BYTES = 64 * 2**20  # of numbers in memory; a column that is larger grows in a temporary file


class BuiltPanel(NamedTuple):
    """The panel, the rows of the period that runs (unique_id, ds), and the series that have ended, sorted."""

    panel: PanelTable
    held: pd.DataFrame
    ended: tuple[str, ...]


class PanelBuilder(NamedTuple):
    """What the panel is built from: the parts, the results of their checks, and the times of all kept rows."""

    parts: RawParts
    checks: Sequence[PartCheck]
    kept: Sequence[KeptRows | None]  # None if a part must be read again
    times: DistinctTimes
    reading: DatasetSpec
    moment: pd.Timestamp  # the as-of on the clock of ds

    @property
    def over(self) -> np.ndarray:
        """Whether the period of each time is over, (m,) bool."""
        return self.reading.ended_times(self.times, self.moment)

    def build(self, cutoff: pd.Timestamp, skipped: int) -> BuiltPanel:
        """Put the rows of all parts on the grid up to the cutoff.

        Args:
            cutoff: The last observation, or a closed step after it.
            skipped: How many steps the cutoff lies after the last observation at most.

        Returns:
            The panel.

        Raises:
            SpecError: The grid does not fit the memory of the machine.
        """
        grid = grid_of_counts(self.times.counts, self.reading.freq, self.reading.horizon + skipped)
        running = self.reading.running_times(self.times, self.moment)
        joined = PanelTableBuilder(lambda: GrowingColumn(MAX_COLUMN_BYTES))
        held: list[pd.DataFrame] = []
        ended: list[str] = []
        for number in range(len(self.parts)):
            kept = self._kept_rows(number)
            if not len(kept.frame):
                continue
            is_running = running[self.times.times.get_indexer(kept.times.times)]
            held.append(kept.frame.loc[kept.times.spread(is_running), ["unique_id", "ds"]])
            ended += time_grid.ended_series(kept.frame, cutoff, self.reading)
            table = self._to_panel(kept, grid, cutoff)
            if len(table):
                joined.append(table)
                time_grid.require_memory(joined.lengths, self.reading)
        return BuiltPanel(joined.build(), pd.concat(held), tuple(ended))

    def _kept_rows(self, number: int) -> KeptRows:
        held = self.kept[number]
        return held or read_kept(self.parts.read(number), self.checks[number], self.reading)

    def _to_panel(self, kept: KeptRows, grid: pd.DatetimeIndex, cutoff: pd.Timestamp) -> PanelTable:
        rows = aggregate_duplicates(kept.frame, self.reading.cleaning)
        times = kept.times if rows is kept.frame else None
        panel = time_grid.reindex_to_grid(rows, grid, cutoff, self.reading, times)
        panel = fill_missing_with_zero(panel, cutoff, self.reading.cleaning)
        return PanelTable.from_parts([panel], len(panel))
