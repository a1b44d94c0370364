"""Scores of earlier forecasts, a block of series at a time; those of the night before are kept if nothing changed.

vintage 1   complete   ████████░█    █ kept scores; ░ a revision came: this series is scored again
vintage 2   complete   ████████░█
vintage 3   partial    ░░░░░░░░░░    some of its times had no actual yet: every series is scored again
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.panel_table import PanelTable
from tasks.history.columns import AS_OF
from tasks.history.forecast_blocks import Block, PublishedForecasts
from tasks.history.versions import ACTUALS_KEY
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.scores import mase_scales_before, score_series
from tasks.modeling.series import names_between, series_between
from tasks.results.accuracy import AccuracyResult, ForecastsToScore
from tasks.results.steps import RevisionsResult
from tasks.storage.series_rows import SeriesFile, open_series_files
from tasks.storage.store import Store

SCORED_COLUMNS = ("unique_id", "ds", "y_hat", "model_name", "source")  # of a forecast, besides quantiles
SCORED_GROUP = ["unique_id", "model_name", "source"]
VINTAGE = "forecast_vintage"
EARLIEST = pd.Timestamp.min.tz_localize("UTC")
NO_CHANGES = pd.Series(EARLIEST, pd.Index([], dtype="str"))  # first revised times by unique_id


def score_vintages(
    vintages: dict[pd.Timestamp, pd.DataFrame],
    clean: PanelTable,
    season: int,
    starts: Mapping[pd.Timestamp, pd.Timestamp] | None = None,
) -> pd.DataFrame:
    """Score the forecasts of each vintage against the actuals of the clean table.

    Args:
        vintages: Forecast tables by their as-of (UTC).
        clean: The clean table.
        season: Season length in steps, for the scale of MASE, which uses only values before the forecast.
        starts: The first time of each vintage, if `vintages` are a part of their series; None takes that of the tables.

    Returns:
        A row per vintage, series, model and source with at least one actual, in the columns of the accuracy contract.
    """
    parts = list[pd.DataFrame]()
    for as_of, table in vintages.items():
        y = lookup_actuals(clean, table["unique_id"], table["ds"])
        matched = table.assign(y=y)[~np.isnan(y)]
        if len(matched):
            start = starts[as_of] if starts else table["ds"].min()
            scale = matched["unique_id"].map(mase_scales_before(clean, start, season))
            scores = score_series(matched.assign(scale=scale), SCORED_GROUP)
            scores.insert(0, VINTAGE, as_of)
            parts.append(scores)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


class KeptScores(NamedTuple):
    """Scores of the night before that count again: those of complete vintages, but for series with a revision."""

    file: SeriesFile
    until: pd.Timestamp  # its newest known observation
    scored: frozenset[pd.Timestamp]  # vintages that it knew, complete or not
    complete: dict[pd.Timestamp, pd.Timestamp]  # last time of each vintage all of whose times it knew
    revised: pd.Series  # first revised time since then (UTC), by unique_id

    def first_changes(self, block: Block, ids: pd.Index) -> pd.Series:
        """Return the first revised time of each series of a block that has one; the earliest time for new series."""
        scored = self.file.between(*block, ["unique_id"])["unique_id"].unique().to_pylist()
        joined = ids.difference(pd.Index(scored, dtype="str"))
        changes = self.revised[self.revised.index.isin(ids.difference(joined))]
        return pd.concat([changes, pd.Series(EARLIEST, joined)])

    def unchanged(self, block: Block, ids: pd.Index, changes: pd.Series) -> pd.DataFrame:
        """Return the scores of these series in complete vintages that end before the first change of the series."""
        table = self.file.between(*block, self.file.columns).to_pandas().drop(columns=AS_OF)
        table = table[table["unique_id"].isin(ids) & table[VINTAGE].isin(list(self.complete))]
        if changes.empty:
            return table
        changed = table["unique_id"].map(changes) <= table[VINTAGE].map(self.complete)
        return table[~changed]


@contextlib.contextmanager
def open_kept_scores(
    earlier: AccuracyResult | None, sources: ForecastsToScore, ends: Mapping[pd.Timestamp, pd.Timestamp], store: Store
) -> Iterator[KeptScores | None]:
    """Open the scores of the night before.

    Args:
        earlier: Its result, if its scores count again; else None.
        sources: The forecasts of this night, and what has changed since.
        ends: The last time of each vintage (UTC).
        store: The store that holds the tables.

    Yields:
        The scores, valid inside the block; None without `earlier`.

    Raises:
        StoreDamaged: A file is missing or its digest differs.
    """
    if earlier is None or earlier.scores is None or earlier.basis is None:
        yield None
        return
    until, known = pd.Timestamp(earlier.basis.until), earlier.basis.forecasts
    scored = frozenset(
        pd.Timestamp(night.as_of) for night in sources.past if known.get(night.as_of.isoformat()) == night.file.digest
    )
    complete = {as_of: ends[as_of] for as_of in scored if as_of in ends and ends[as_of] <= until}
    revised = NO_CHANGES
    if isinstance(sources.revised, RevisionsResult) and sources.revised.table:
        revised = store.get(sources.revised.table, ["unique_id", "ds"]).groupby("unique_id")["ds"].min()
    with open_series_files([earlier.scores], store) as (file,):
        yield KeptScores(file, until, scored, complete, revised)


class PastScores(NamedTuple):
    """The forecasts of earlier nights with what is known by now, a block of series at a time."""

    forecasts: PublishedForecasts
    clean: PanelTable
    as_of: pd.Timestamp
    kept: KeptScores | None = None

    def scores(
        self, season: int, starts: Mapping[pd.Timestamp, pd.Timestamp]
    ) -> Iterator[tuple[Block, pd.DataFrame, pd.DataFrame]]:
        """Yield each block that has an actual, its scores, and those of them that were computed tonight."""
        for block in self.forecasts.blocks:
            part = series_between(self.clean, *block)
            changes = self.kept.first_changes(block, part.ids) if self.kept else NO_CHANGES
            computed = score_vintages(self._read(block, changes, SCORED_COLUMNS), part, season, starts)
            computed = self._with_as_of(computed)
            accuracy = computed
            if self.kept and len(unchanged := self.kept.unchanged(block, part.ids, changes)):
                accuracy = pd.concat([self._with_as_of(unchanged).astype(computed.dtypes.to_dict()), computed])
                accuracy = accuracy.sort_values([VINTAGE, *SCORED_GROUP], ignore_index=True)
            if len(accuracy):
                yield block, accuracy, computed

    def actuals(self) -> Iterator[tuple[Block, pd.DataFrame]]:
        """Yield each block with the actuals of forecast times; of complete vintages only those that have changed."""
        for block in self.forecasts.blocks:
            ids = names_between(self.clean, *block)
            changes = self.kept.first_changes(block, ids) if self.kept else NO_CHANGES
            vintages = self._read(block, changes, ACTUALS_KEY, with_quantiles=False)
            if not vintages:
                continue
            times = pd.concat(vintages.values()).drop_duplicates()
            y = lookup_actuals(self.clean, times["unique_id"], times["ds"])
            rows = times.assign(y=y).dropna().sort_values([*ACTUALS_KEY], ignore_index=True)
            if len(rows):
                yield block, self._with_as_of(rows)

    def may_be_published(self, actuals: pd.DataFrame) -> bool:
        """Return whether an earlier night may have published any of these actuals."""
        return self.kept is None or bool((actuals["ds"] <= self.kept.until).any())

    def may_be_scored(self, computed: pd.DataFrame) -> bool:
        """Return whether an earlier night may have published scores of any of these vintages."""
        return self.kept is None or bool(computed[VINTAGE].isin(list(self.kept.scored)).any())

    def _read(
        self, block: Block, changes: pd.Series, columns: Sequence[str], *, with_quantiles: bool = True
    ) -> dict[pd.Timestamp, pd.DataFrame]:
        """Read the rows of a block to score: of a complete vintage those of series with a change before its end."""
        complete, vintages = self.kept.complete if self.kept else {}, {}
        for as_of in self.forecasts.vintages:
            if as_of not in complete:
                vintages[as_of] = self.forecasts.read_vintage(as_of, block, columns, with_quantiles=with_quantiles)
            elif len(names := changes.index[changes <= complete[as_of]]):
                vintages[as_of] = self.forecasts.select(as_of, names, columns, with_quantiles=with_quantiles)
        return vintages

    def _with_as_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with this night's as-of as the third column; a table without columns stays so."""
        if len(rows.columns):
            rows.insert(2, AS_OF, pd.Series(self.as_of, index=rows.index))
        return rows
