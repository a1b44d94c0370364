"""Compare the forecasts of earlier nights with the actuals that have arrived, and publish both.

A night publishes the actuals and scores that are new or have changed: each row is one version with its own as-of.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from models.data.panel_table import PanelTable
from tasks.engine.step import CacheInputs, step
from tasks.history.columns import AS_OF
from tasks.history.published import published_between
from tasks.history.versions import ACCURACY_KEY, ACTUALS_KEY, changed_rows, open_versions
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.scores import mase_scales_before, quantile_levels, score_series
from tasks.modeling.series import series_between
from tasks.results.steps import AccuracyResult, RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage.layout import artifacts_dir, vintage_uri
from tasks.storage.series_rows import SeriesFile, blocks_of_series, open_series_files
from tasks.storage.store import Store
from tasks.storage.vintages import Published

FORECAST_COLUMNS = ("unique_id", "ds", "y_hat", "model_name", "source")  # and the quantiles


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
            scores = score_series(matched.assign(scale=scale), ["unique_id", "model_name", "source"])
            scores.insert(0, "forecast_vintage", as_of)
            parts.append(scores)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


class PastNights(NamedTuple):
    """What earlier nights published: the first time of each forecast by as-of; the files of actuals and scores."""

    starts: dict[pd.Timestamp, pd.Timestamp]
    actuals: list[Artifact]
    accuracy: list[Artifact]


def load_past(
    clean: Artifact, past: tuple[Published, ...], context: RunContext, setup: ForecastSetup, store: Store
) -> CacheInputs:
    """List what the earlier nights published, which decides what this night adds: its digests are in the cache key."""
    with open_series_files([published.file for published in past], store) as files:
        times = {pd.Timestamp(night.as_of): file.first_time() for night, file in zip(past, files, strict=True)}
    starts = {as_of: pd.Timestamp(time) for as_of, time in times.items() if time is not None}
    # a night before the first forecast time had none of these actuals
    first = min(starts.values(), default=None)
    actuals, accuracy = (
        published_between(kind, context.pipeline, first, context.as_of, store) if past else []
        for kind in ("actuals", "accuracy")
    )
    known = [artifact.digest for artifact in (*actuals, *accuracy)]
    inputs = {"clean": clean, "past": past, "context": context, "setup": setup, "known": known}
    return CacheInputs(inputs, PastNights(starts, actuals, accuracy))


@step(cache_key=load_past)
def score_past(
    clean: Artifact,
    past: tuple[Published, ...],
    context: RunContext,
    setup: ForecastSetup,
    store: Store,
    read: PastNights | None = None,
) -> AccuracyResult:
    """Score every earlier vintage that has actuals by now, and publish what no earlier night has published.

    A block of series at a time is read from all vintages, so that memory does not grow with the number of series.

    Args:
        clean: The clean table of this night.
        past: The published forecasts of earlier nights.
        context: Pipeline and as-of, which name the vintage of the published tables.
        setup: The season length for the scale of MASE.
        store: The store that holds the forecasts and takes the tables.
        read: What `load_past` has listed; None lists it.

    Returns:
        All scores of this night, and the published tables: None if no earlier forecast has an actual, or none is new.
    """
    table = load_clean_table(clean, store)
    earlier: PastNights = read or load_past(clean, past, context, setup, store).loaded
    with contextlib.ExitStack() as stack:
        files = stack.enter_context(open_series_files([published.file for published in past], store))
        opened = {pd.Timestamp(night.as_of): file for night, file in zip(past, files, strict=True)}
        nights = _ForecastNights(table, opened, earlier.starts, context, setup)
        known = stack.enter_context(open_versions(earlier.accuracy, ACCURACY_KEY, store))
        new, newest = list[pd.DataFrame](), list[pd.DataFrame]()

        def scores() -> Iterator[pd.DataFrame]:
            for block, accuracy in nights.scores():
                new.append(changed_rows(accuracy, known.newest(*block), ACCURACY_KEY, exact=False))
                newest.append(accuracy[accuracy["forecast_vintage"] == accuracy["forecast_vintage"].max()])
                yield accuracy

        stored = _store_parts(scores(), "accuracy", store, artifacts_dir("vintage-scores"))
        if stored is None:
            return AccuracyResult()
        versions = stack.enter_context(open_versions(earlier.actuals, ACTUALS_KEY, store))
        actuals = (
            changed_rows(rows, versions.newest(*block), ACTUALS_KEY, exact=True) for block, rows in nights.actuals()
        )
        return AccuracyResult(
            actuals=_publish(actuals, "actuals", table, context, setup, store),
            accuracy=_publish(iter(new), "accuracy", table, context, setup, store),
            scores=stored,
            summary=_describe_newest(pd.concat(newest)),
        )


class _ForecastNights:
    """The forecasts of earlier nights with what is known by now, a block of series at a time."""

    def __init__(
        self,
        clean: PanelTable,
        files: dict[pd.Timestamp, SeriesFile],
        starts: dict[pd.Timestamp, pd.Timestamp],
        context: RunContext,
        setup: ForecastSetup,
    ) -> None:
        self._clean, self._files, self._starts, self._context = clean, files, starts, context
        self._season = setup.evaluation.season or setup.view.season
        self._blocks = list(blocks_of_series(list(files.values())))

    def scores(self) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
        """Yield each block that has an actual, and its scores."""
        for first, last in self._blocks:
            vintages = {
                as_of: file.between(first, last, [*FORECAST_COLUMNS, *quantile_levels(file.columns)]).to_pandas()
                for as_of, file in self._files.items()
            }
            accuracy = score_vintages(vintages, series_between(self._clean, first, last), self._season, self._starts)
            if len(accuracy):
                accuracy.insert(2, AS_OF, self._as_of(len(accuracy)))
                yield (first, last), accuracy

    def actuals(self) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
        """Yield each block that has an actual, and the actual of each of its forecasts."""
        for first, last in self._blocks:
            tables = [file.between(first, last, ACTUALS_KEY).to_pandas() for file in self._files.values()]
            times = pd.concat(tables).drop_duplicates()
            y = lookup_actuals(self._clean, times["unique_id"], times["ds"])
            rows = times.assign(y=y).dropna().sort_values([*ACTUALS_KEY], ignore_index=True)
            if len(rows):
                rows.insert(2, AS_OF, self._as_of(len(rows)))
                yield (first, last), rows

    def _as_of(self, rows: int) -> pd.Series:
        return pd.Series(pd.Timestamp(self._context.as_of).as_unit("us"), index=range(rows))


def _store_parts(parts: Iterator[pd.DataFrame], kind: str, store: Store, folder: str | None = None) -> Artifact | None:
    """Store the parts that have a row; None without any."""
    filled = (part for part in parts if len(part))
    first = next(filled, None)
    return None if first is None else store.put_parts(itertools.chain([first], filled), kind, folder)


def _publish(
    parts: Iterator[pd.DataFrame], kind: str, clean: PanelTable, context: RunContext, setup: ForecastSetup, store: Store
) -> Artifact | None:
    """Publish the new rows of a night; a night without any publishes no file."""
    labels = clean.labels
    stored = _store_parts((add_id_columns(part, labels, setup.id_columns) for part in parts), kind, store)
    return stored and store.publish(stored, vintage_uri(kind, context.pipeline, context.as_of))


def _describe_newest(accuracy: pd.DataFrame) -> str:
    newest = accuracy[accuracy["forecast_vintage"] == accuracy["forecast_vintage"].max()]
    return (
        f"the forecast of {newest['forecast_vintage'].iloc[0]:%Y-%m-%d} has MASE {newest['mase'].mean():.3f} and "
        f"{newest['coverage'].mean():.0%} of {int(newest['rows'].sum())} actuals inside the interval"
    )
