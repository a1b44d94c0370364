"""Published forecasts of several nights, read a block of series at a time, so that no vintage is held as a whole.

vintage 1   a a b b │ c c d d            block a, b    rows of both vintages for a and b
vintage 2   a a b b │ c c d d            block c, d    rows of both vintages for c and d
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import pandas as pd

from tasks.modeling.scores import quantile_levels
from tasks.storage.series_rows import SeriesFile, blocks_of_series, open_series_files
from tasks.storage.store import Store
from tasks.storage.vintages import Published

Block = tuple[str, str]  # the first and the last name of its series


class PublishedForecasts:
    """Open files of published forecasts, by as-of (UTC), the oldest first."""

    def __init__(self, files: dict[pd.Timestamp, SeriesFile]) -> None:
        self._files = files

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks of series, in order; finding them reads the names of every file."""
        return list(blocks_of_series(list(self._files.values())))

    @property
    def vintages(self) -> tuple[pd.Timestamp, ...]:
        """The as-of of each vintage."""
        return tuple(self._files)

    @property
    def starts(self) -> dict[pd.Timestamp, pd.Timestamp]:
        """The first forecast time of each vintage that has a row."""
        times = {as_of: file.time_range() for as_of, file in self._files.items()}
        return {as_of: pd.Timestamp(known[0]) for as_of, known in times.items() if known}

    @property
    def ends(self) -> dict[pd.Timestamp, pd.Timestamp]:
        """The last forecast time of each vintage that has a row."""
        times = {as_of: file.time_range() for as_of, file in self._files.items()}
        return {as_of: pd.Timestamp(known[1]) for as_of, known in times.items() if known}

    def read(
        self, block: Block, columns: Sequence[str], *, with_quantiles: bool = True
    ) -> dict[pd.Timestamp, pd.DataFrame]:
        """Read the rows of a block.

        Args:
            block: One of `blocks`.
            columns: Columns to read.
            with_quantiles: Whether the quantile columns are read too.

        Returns:
            The rows of each vintage by its as-of.
        """
        return {as_of: self.read_vintage(as_of, block, columns, with_quantiles=with_quantiles) for as_of in self._files}

    def read_vintage(
        self, as_of: pd.Timestamp, block: Block, columns: Sequence[str], *, with_quantiles: bool = True
    ) -> pd.DataFrame:
        """Read the rows of a block in one vintage, as `read` does."""
        file = self._files[as_of]
        return file.between(*block, self._columns(file, columns, with_quantiles)).to_pandas()

    def select(
        self, as_of: pd.Timestamp, names: Collection[str], columns: Sequence[str], *, with_quantiles: bool = True
    ) -> pd.DataFrame:
        """Read the rows of some series in one vintage, as `read` does."""
        file = self._files[as_of]
        return file.select(names, self._columns(file, columns, with_quantiles)).to_pandas()

    @staticmethod
    def _columns(file: SeriesFile, columns: Sequence[str], with_quantiles: bool) -> list[str]:
        return [*columns, *(quantile_levels(file.columns) if with_quantiles else ())]


@contextlib.contextmanager
def open_forecasts(past: Sequence[Published], store: Store) -> Iterator[PublishedForecasts]:
    """Open published forecasts.

    Args:
        past: The vintages, oldest first.
        store: The store that holds them.

    Yields:
        The forecasts, valid inside the block of the `with` statement.

    Raises:
        StoreDamaged: A file is missing or its digest differs.
    """
    with open_series_files([night.file for night in past], store) as files:
        yield PublishedForecasts({pd.Timestamp(night.as_of): file for night, file in zip(past, files, strict=True)})
