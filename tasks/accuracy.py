"""Compare the forecasts of earlier nights with the actuals that have arrived, and publish both.

A night publishes the actuals and scores that are new or have changed: each row is one version with its own as-of.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from models.data.panel_table import PanelTable
from tasks.engine.step import CacheInputs, step
from tasks.history.columns import AS_OF
from tasks.history.published import published_between
from tasks.history.versions import ACCURACY_KEY, ACTUALS_KEY, changed_rows, load_newest_versions
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.scores import mase_scales_before, score_series
from tasks.results.steps import AccuracyResult, RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage.layout import artifacts_dir, vintage_uri
from tasks.storage.store import Store
from tasks.storage.vintages import Published


def score_vintages(vintages: dict[pd.Timestamp, pd.DataFrame], clean: PanelTable, season: int) -> pd.DataFrame:
    """Score the forecasts of each vintage against the actuals of the clean table.

    Args:
        vintages: Forecast tables by their as-of (UTC).
        clean: The clean table.
        season: Season length in steps, for the scale of MASE, which uses only values before the forecast.

    Returns:
        A row per vintage, series, model and source with at least one actual, in the columns of the accuracy contract.
    """
    parts = list[pd.DataFrame]()
    for as_of, table in vintages.items():
        y = lookup_actuals(clean, table["unique_id"], table["ds"])
        matched = table.assign(y=y)[~np.isnan(y)]
        if len(matched):
            scale = matched["unique_id"].map(mase_scales_before(clean, table["ds"].min(), season))
            scores = score_series(matched.assign(scale=scale), ["unique_id", "model_name", "source"])
            scores.insert(0, "forecast_vintage", as_of)
            parts.append(scores)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


class PastNights(NamedTuple):
    """What earlier nights published: their forecasts by as-of, and the newest version of each actual and score."""

    forecasts: dict[pd.Timestamp, pd.DataFrame]
    actuals: pd.DataFrame
    accuracy: pd.DataFrame


def load_past(
    clean: Artifact, past: tuple[Published, ...], context: RunContext, setup: ForecastSetup, store: Store
) -> CacheInputs:
    """Load what the earlier nights published, which decides what this night adds: its digests are in the cache key."""
    forecasts = {pd.Timestamp(published.as_of): store.get(published.file) for published in past}
    first = min((table["ds"].min() for table in forecasts.values()), default=None)
    known, tables = list[str](), dict[str, pd.DataFrame]()
    for kind, key in (("actuals", ACTUALS_KEY), ("accuracy", ACCURACY_KEY)):
        # a night before the first forecast time had none of these actuals
        earlier = published_between(kind, context.pipeline, first, context.as_of, store) if past else []
        known += [artifact.digest for artifact in earlier]
        tables[kind] = load_newest_versions(earlier, key, store)
    inputs = {"clean": clean, "past": past, "context": context, "setup": setup, "known": known}
    return CacheInputs(inputs, PastNights(forecasts, tables["actuals"], tables["accuracy"]))


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

    Args:
        clean: The clean table of this night.
        past: The published forecasts of earlier nights.
        context: Pipeline and as-of, which name the vintage of the published tables.
        setup: The season length for the scale of MASE.
        store: The store that holds the forecasts and takes the tables.
        read: What `load_past` has loaded; None loads it.

    Returns:
        All scores of this night, and the published tables: None if no earlier forecast has an actual, or none is new.
    """
    table = load_clean_table(clean, store)
    earlier: PastNights = read or load_past(clean, past, context, setup, store).loaded
    accuracy = score_vintages(earlier.forecasts, table, setup.evaluation.season or setup.view.season)
    if accuracy.empty:
        return AccuracyResult()
    accuracy.insert(2, AS_OF, _as_of_column(context, len(accuracy)))
    forecast_times = pd.concat(
        [vintage[["unique_id", "ds"]] for vintage in earlier.forecasts.values()]
    ).drop_duplicates()
    y = lookup_actuals(table, forecast_times["unique_id"], forecast_times["ds"])
    actuals = forecast_times.assign(y=y)
    actuals = actuals.dropna().sort_values(["unique_id", "ds"], ignore_index=True)
    actuals.insert(2, AS_OF, _as_of_column(context, len(actuals)))
    new_actuals = changed_rows(actuals, earlier.actuals, ACTUALS_KEY, exact=True)
    new_accuracy = changed_rows(accuracy, earlier.accuracy, ACCURACY_KEY, exact=False)
    return AccuracyResult(
        actuals=_publish(add_id_columns(new_actuals, table.labels, setup.id_columns), "actuals", context, store),
        accuracy=_publish(add_id_columns(new_accuracy, table.labels, setup.id_columns), "accuracy", context, store),
        scores=store.put(accuracy, "accuracy", artifacts_dir("vintage-scores")),
        summary=_describe_newest(accuracy),
    )


def _as_of_column(context: RunContext, rows: int) -> pd.Series:
    return pd.Series(pd.Timestamp(context.as_of).as_unit("us"), index=range(rows))


def _publish(table: pd.DataFrame, kind: str, context: RunContext, store: Store) -> Artifact | None:
    """Publish the new rows of a night; a night without any publishes no file."""
    if table.empty:
        return None
    return store.publish(store.put(table, kind), vintage_uri(kind, context.pipeline, context.as_of))


def _describe_newest(accuracy: pd.DataFrame) -> str:
    newest = accuracy[accuracy["forecast_vintage"] == accuracy["forecast_vintage"].max()]
    return (
        f"the forecast of {newest['forecast_vintage'].iloc[0]:%Y-%m-%d} has MASE {newest['mase'].mean():.3f} and "
        f"{newest['coverage'].mean():.0%} of {int(newest['rows'].sum())} actuals inside the interval"
    )
