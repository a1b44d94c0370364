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
from tasks.history.forecast_blocks import Block, PublishedForecasts, open_forecasts
from tasks.history.published import published_between
from tasks.history.versions import ACCURACY_KEY, ACTUALS_KEY, changed_rows, open_versions
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.scores import mase_scales_before, score_series
from tasks.modeling.series import series_between
from tasks.results.steps import AccuracyResult, RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage.layout import artifacts_dir, vintage_uri
from tasks.storage.store import Store
from tasks.storage.vintages import Published

SCORED_COLUMNS = ("unique_id", "ds", "y_hat", "model_name", "source")  # of a forecast, besides quantiles


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
    with open_forecasts(past, store) as forecasts:
        starts = forecasts.starts
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

    A block of series at a time is read from all vintages, none of which is held as a whole.

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
        nights = _PastForecasts(stack.enter_context(open_forecasts(past, store)), table, context)
        season = setup.evaluation.season or setup.view.season
        known = stack.enter_context(open_versions(earlier.accuracy, ACCURACY_KEY, store))
        new, newest = list[pd.DataFrame](), list[pd.DataFrame]()

        def scores() -> Iterator[pd.DataFrame]:
            for block, accuracy in nights.scores(season, earlier.starts):
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


class _PastForecasts(NamedTuple):
    """The forecasts of earlier nights with what is known by now, a block of series at a time."""

    forecasts: PublishedForecasts
    clean: PanelTable
    context: RunContext

    def scores(self, season: int, starts: Mapping[pd.Timestamp, pd.Timestamp]) -> Iterator[tuple[Block, pd.DataFrame]]:
        """Yield each block that has an actual, and its scores."""
        for block in self.forecasts.blocks:
            vintages = self.forecasts.read(block, SCORED_COLUMNS)
            accuracy = score_vintages(vintages, series_between(self.clean, *block), season, starts)
            if len(accuracy):
                accuracy.insert(2, AS_OF, self._as_of(len(accuracy)))
                yield block, accuracy

    def actuals(self) -> Iterator[tuple[Block, pd.DataFrame]]:
        """Yield each block that has an actual, and the actual of each of its forecasts."""
        for block in self.forecasts.blocks:
            vintages = self.forecasts.read(block, ACTUALS_KEY, with_quantiles=False)
            times = pd.concat(vintages.values()).drop_duplicates()
            y = lookup_actuals(self.clean, times["unique_id"], times["ds"])
            rows = times.assign(y=y).dropna().sort_values([*ACTUALS_KEY], ignore_index=True)
            if len(rows):
                rows.insert(2, AS_OF, self._as_of(len(rows)))
                yield block, rows

    def _as_of(self, rows: int) -> pd.Series:
        return pd.Series(pd.Timestamp(self.context.as_of).as_unit("us"), index=range(rows))


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
