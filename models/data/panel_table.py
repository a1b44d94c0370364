"""The rows of a panel as columns of numbers, without a name or a time for each row.

ids       a           b         sorted; a text column has one value for each series
first     0           2         index in `times` of the first row of a series
lengths   4           2         rows of a series, one for each step
times     t0 t1 t2 t3           every time that a row has
y         1  2  3  4    10 20   rows of all series, one after the other
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from models.data.mapped_pages import gather_ranges, release_pages

PARTITION_ROWS = 1_000_000  # that are held as a frame at once


@dataclass(frozen=True, eq=False)
class PanelTable:
    """R rows of S series, sorted by series and time, each series with a row for each of its steps."""

    ids: pd.Index  # (S,) text
    times: pd.DatetimeIndex  # UTC, ascending
    first: np.ndarray  # (S,) int64
    lengths: np.ndarray  # (S,) int64
    numbers: Mapping[str, np.ndarray]  # y and numeric covariates, (R,) float64 each, NaN if unknown
    texts: pd.DataFrame  # (S, number of text columns): the last value of each series

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "PanelTable":
        """Build the table of a frame in the long format.

        Args:
            frame: unique_id, ds (UTC), y and covariates, unique by (unique_id, ds), on a regular grid per series.

        Returns:
            The table. Columns that are not numeric are text columns.
        """
        codes, names = pd.factorize(frame["unique_id"])
        stamps = frame["ds"].astype("datetime64[us, UTC]").array.asi8
        is_sorted = names.is_monotonic_increasing if isinstance(names, pd.Index) else (names[1:] > names[:-1]).all()
        steps = np.diff(codes)
        if not is_sorted or ((steps < 0) | ((steps == 0) & (np.diff(stamps) <= 0))).any():
            frame = frame.assign(unique_id=frame["unique_id"].astype("str")).sort_values(["unique_id", "ds"])
        return cls.from_parts([frame], len(frame))

    @classmethod
    def from_parts(cls, parts: Iterable[pd.DataFrame], rows: int) -> "PanelTable":
        """Build the table of frames that follow each other; each is read before the next is asked for.

        Args:
            parts: Frames as those of `from_frame`, sorted by unique_id and ds; a series may go on in the next frame.
            rows: The number of rows of all frames.

        Returns:
            The table.
        """
        numbers, runs, begin = dict[str, np.ndarray](), list[pd.DataFrame](), 0
        stamps = [np.empty(0, np.int64)]
        for part in parts:
            for name in part.columns.drop(["unique_id", "ds"]):
                if name in numbers or _is_numeric(part[name]):
                    column = numbers.setdefault(name, np.empty(rows))
                    column[begin : begin + len(part)] = part[name].to_numpy("float64", na_value=np.nan)
            run, times = _runs_of(part, [name for name in part.columns if name not in numbers])
            runs.append(run)
            stamps.append(times)
            begin += len(part)
        distinct, series = np.unique(np.concatenate(stamps)), pd.concat(runs)
        if not series["unique_id"].is_unique:  # a series that goes on in the next part
            kept = {"first": "first", "rows": "sum", **dict.fromkeys(series.columns[3:], "last")}
            series = series.groupby("unique_id", sort=False, as_index=False).agg(kept)
        return cls(
            ids=pd.Index(series["unique_id"].array, dtype="str"),
            times=pd.DatetimeIndex(distinct.view("datetime64[us]")).tz_localize("UTC"),
            first=np.searchsorted(distinct, series["first"].to_numpy()).astype(np.int64),
            lengths=series["rows"].to_numpy(np.int64),
            numbers=numbers,
            texts=series[series.columns[3:]].astype("str").reset_index(drop=True),
        )

    @cached_property
    def starts(self) -> np.ndarray:
        """Index of the first row of each series among all rows, (S,) int64."""
        return np.cumsum(self.lengths) - self.lengths

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @property
    def labels(self) -> pd.DataFrame:
        """unique_id and the text columns, a row for each series."""
        labels = self.texts.copy()
        labels.insert(0, "unique_id", self.ids)
        return labels

    @property
    def row_steps(self) -> np.ndarray:
        """Index in `times` of each row, (R,) int64."""
        return np.arange(len(self)) - np.repeat(self.starts - self.first, self.lengths)

    def last_known(self, name: str = "y") -> np.ndarray:
        """Return the index in `times` of the last known value of each series, (S,) int64; -1 if none is known."""
        last = np.full(len(self.ids), -1)
        for codes, part in self._blocks():
            rows = np.flatnonzero(np.isfinite(part.numbers[name]))
            series = np.searchsorted(part.starts, rows, side="right") - 1
            last[codes.start + series] = part.first[series] + rows - part.starts[series]  # the last row wins
        return last

    def is_known(self, name: str = "y") -> np.ndarray:
        """Return whether any series has a value at each of `times`, (number of times,) bool."""
        known = np.zeros(len(self.times), dtype=bool)
        for part in self.partitions():
            known[part.row_steps[np.isfinite(part.numbers[name])]] = True
        return known

    def newest_known(self) -> pd.Timestamp:
        """Return the time of the newest known y (UTC); NaT if none is known."""
        last = int(self.last_known().max(initial=-1))
        return self.times[last] if last >= 0 else pd.NaT

    def steps_until(self, moment: pd.Timestamp, *, inclusive: bool = True) -> int:
        """Return how many of `times` lie before `moment`, or at it."""
        return int(self.times.searchsorted(moment, side="right" if inclusive else "left"))

    def between(self, first: int, end: int) -> "PanelTable":
        """Return the rows from step `first` to the step before `end`, indices in `times`; series without any are gone.

        Args:
            first: The first step.
            end: The step after the last.

        Returns:
            A table whose `times` begin and end with its rows.
        """
        begins = np.clip(first - self.first, 0, self.lengths)
        lengths = np.clip(end - self.first, begins, self.lengths) - begins
        return self._cut(np.flatnonzero(lengths > 0), begins, lengths)

    def take(self, series: np.ndarray) -> "PanelTable":
        """Return the rows of some series.

        Args:
            series: Codes of series, ascending, (k,).

        Returns:
            A table whose `times` begin and end with its rows.
        """
        return self._cut(np.asarray(series, dtype=np.int64), np.zeros_like(self.lengths), self.lengths)

    def select(self, names: Iterable[str]) -> "PanelTable":
        """Return the rows of the series with these names; unknown names do not count."""
        codes = self.ids.get_indexer(pd.Index(list(dict.fromkeys(names)), dtype="str"))
        return self.take(np.sort(codes[codes >= 0]))

    def shorten(self, lengths: np.ndarray) -> "PanelTable":
        """Return the first rows of each series.

        Args:
            lengths: How many rows of each series, (S,), at most all of them; a series with none is gone.

        Returns:
            A table whose `times` begin and end with its rows.
        """
        return self._cut(np.flatnonzero(lengths > 0), np.zeros_like(self.lengths), lengths)

    def with_times(self, times: pd.DatetimeIndex) -> "PanelTable":
        """Return the table with more `times` (UTC, ascending), those of a table that its series were taken from."""
        return replace(self, times=times, first=times.get_indexer(self.times)[self.first].astype(np.int64))

    def partitions(self, rows: int = PARTITION_ROWS) -> Iterator["PanelTable"]:
        """Yield the series in order, in tables of at most `rows` rows, or of one series; no value is copied."""
        return (part for _, part in self._blocks(rows))

    def frame(self) -> pd.DataFrame:
        """Return the rows in the long format: unique_id, ds (UTC), the numbers and the text columns."""
        codes = np.repeat(np.arange(len(self.ids)), self.lengths)
        columns = {"unique_id": self.ids.take(codes), "ds": self.times[self.row_steps], **self.numbers}
        texts = {name: self.texts[name].array.take(codes) for name in self.texts}
        return pd.DataFrame(columns | texts)

    def _blocks(self, rows: int = PARTITION_ROWS) -> Iterator[tuple[slice, "PanelTable"]]:
        begin = 0
        while begin < len(self.ids):
            end = max(begin + 1, int(np.searchsorted(self.starts + self.lengths, self.starts[begin] + rows, "right")))
            at = slice(int(self.starts[begin]), int(self.starts[end - 1] + self.lengths[end - 1]))
            yield (
                slice(begin, end),
                PanelTable(
                    ids=self.ids[begin:end],
                    times=self.times,
                    first=self.first[begin:end],
                    lengths=self.lengths[begin:end],
                    numbers={name: values[at] for name, values in self.numbers.items()},
                    texts=self.texts.iloc[begin:end].reset_index(drop=True),
                ),
            )
            for values in self.numbers.values():
                release_pages(values[at])
            begin = end

    def _cut(self, series: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> "PanelTable":
        """Return `lengths` rows from row `begins` of each of these series."""
        first, kept = self.first[series] + begins[series], lengths[series]
        low, high = int(first.min(initial=len(self.times))), int((first + kept).max(initial=0))
        if len(series) == len(self.ids) and low == 0 and high == len(self.times) and (kept == self.lengths).all():
            return self
        source = self.starts[series] + begins[series]
        return PanelTable(
            ids=self.ids[series],
            times=self.times[low:high],
            first=first - low,
            lengths=kept,
            numbers={name: gather_ranges(values, source, kept) for name, values in self.numbers.items()},
            texts=self.texts.iloc[series].reset_index(drop=True),
        )


def _is_numeric(values: pd.Series) -> bool:
    """Return whether a column holds numbers, or nothing at all."""
    return pd.api.types.is_numeric_dtype(values) or (values.dtype == object and bool(values.isna().all()))


def _runs_of(part: pd.DataFrame, texts: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a row per series (unique_id, first time, rows, last texts), and the distinct times of the rows."""
    names, stamps = part["unique_id"], part["ds"].astype("datetime64[us, UTC]").array.asi8
    codes = names.cat.codes.to_numpy() if isinstance(names.dtype, pd.CategoricalDtype) else pd.factorize(names)[0]
    begins = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(part)])
    runs = pd.DataFrame(
        {
            "unique_id": names.iloc[begins].astype("str").to_numpy(),
            "first": stamps[begins],
            "rows": np.diff(begins, append=len(part)),
        }
    )
    for name in texts:
        if name not in ("unique_id", "ds"):
            runs[name] = part[name].astype("str").groupby(codes, sort=False).last().to_numpy()
    return runs, np.sort(pd.unique(stamps))
