"""Published forecasts of several nights, read a block of series at a time, so that no vintage is held as a whole.

vintage 1   a a b b │ c c d d            block a, b    rows of both vintages for a and b
vintage 2   a a b b │ c c d d            block c, d    rows of both vintages for c and d
"""

import contextlib
from collections.abc import Iterator, Sequence

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
        self.blocks: list[Block] = list(blocks_of_series(list(files.values())))

    @property
    def starts(self) -> dict[pd.Timestamp, pd.Timestamp]:
        """The first forecast time of each vintage that has a row."""
        times = {as_of: file.first_time() for as_of, file in self._files.items()}
        return {as_of: pd.Timestamp(time) for as_of, time in times.items() if time is not None}

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
        tables = {}
        for as_of, file in self._files.items():
            quantiles = quantile_levels(file.columns) if with_quantiles else {}
            tables[as_of] = file.between(*block, [*columns, *quantiles]).to_pandas()
        return tables


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
