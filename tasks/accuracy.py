"""Compare the forecasts of earlier nights with the actuals that have arrived, and publish both."""

import pandas as pd

from data_contracts.artifact import Artifact
from tasks.engine.step import step
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.scores import mase_scales_before, score_forecasts
from tasks.results.steps import AccuracyResult, RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage.layout import vintage_uri
from tasks.storage.store import Store
from tasks.storage.vintages import Published

ACCURACY_METRICS = ("mae", "mase", "wql", "coverage")


def score_vintages(vintages: dict[pd.Timestamp, pd.DataFrame], clean: pd.DataFrame, season: int) -> pd.DataFrame:
    """Score the forecasts of each vintage against the actuals of the clean table.

    Args:
        vintages: Forecast tables by their as-of (UTC).
        clean: The clean table, with columns unique_id, ds (UTC) and y.
        season: Season length in steps, for the scale of MASE, which uses only values before the forecast.

    Returns:
        A row per vintage, series, model and source with at least one actual, in the columns of the accuracy contract.
    """
    rows = []
    for as_of, table in vintages.items():
        matched = table.merge(clean[["unique_id", "ds", "y"]].dropna(), "inner", ["unique_id", "ds"])
        matched["scale"] = matched["unique_id"].map(mase_scales_before(clean, table["ds"].min(), season))
        for (name, model, source), part in matched.groupby(["unique_id", "model_name", "source"]):
            keys = {"forecast_vintage": as_of, "unique_id": name, "model_name": model, "source": source}
            scores = {metric: value for metric, value in score_forecasts(part).items() if metric in ACCURACY_METRICS}
            rows.append(keys | {"rows": len(part)} | scores)
    return pd.DataFrame(rows)


@step
def score_past(
    clean: Artifact, past: tuple[Published, ...], context: RunContext, setup: ForecastSetup, store: Store
) -> AccuracyResult:
    """Score every earlier vintage that has actuals by now, and publish the actuals and the accuracy.

    Args:
        clean: The clean table of this night.
        past: The published forecasts of earlier nights.
        context: Pipeline and as-of, which name the vintage of the published tables.
        setup: The season length for the scale of MASE.
        store: The store that holds the forecasts and takes the tables.

    Returns:
        The published tables; None for both if no earlier forecast has an actual.
    """
    frame = store.get(clean)
    vintages = {pd.Timestamp(published.as_of): store.get(published.file) for published in past}
    accuracy = score_vintages(vintages, frame, setup.evaluation.season or setup.view.season)
    if accuracy.empty:
        return AccuracyResult()
    forecast_times = pd.concat([table[["unique_id", "ds"]] for table in vintages.values()]).drop_duplicates()
    actuals = frame.merge(forecast_times, "inner", ["unique_id", "ds"])[["unique_id", "ds", "y"]].dropna()
    actuals = actuals.reset_index(drop=True)
    return AccuracyResult(
        actuals=_publish(add_id_columns(actuals, frame, setup.id_columns), "actuals", context, store),
        accuracy=_publish(add_id_columns(accuracy, frame, setup.id_columns), "accuracy", context, store),
        summary=_describe_newest(accuracy),
    )


def _publish(table: pd.DataFrame, kind: str, context: RunContext, store: Store) -> Artifact:
    return store.publish(store.put(table, kind), vintage_uri(kind, context.pipeline, context.as_of))


def _describe_newest(accuracy: pd.DataFrame) -> str:
    newest = accuracy[accuracy["forecast_vintage"] == accuracy["forecast_vintage"].max()]
    return (
        f"the forecast of {newest['forecast_vintage'].iloc[0]:%Y-%m-%d} has mase {newest['mase'].mean():.3f} and "
        f"{newest['coverage'].mean():.0%} of {int(newest['rows'].sum())} actuals inside the interval"
    )
