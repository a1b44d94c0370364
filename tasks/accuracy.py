"""Step 8 · published forecasts + clean → actuals and accuracy: what earlier nights said, beside what came."""

import pandas as pd

from data_contracts.artifact import Artifact
from tasks.engine.step import step
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.scores import mase_scales_before, score_forecasts
from tasks.results.steps import AccuracyResult, RunContext
from tasks.storage.layout import vintage_uri
from tasks.storage.store import Store
from tasks.storage.vintages import Published


def compare(vintages: dict[pd.Timestamp, pd.DataFrame], clean: pd.DataFrame, season: int) -> pd.DataFrame:
    """One row a vintage and series that has an actual; the answer keeps the accuracy contract."""
    rows = []
    for moment, table in vintages.items():
        told = table.merge(clean[["unique_id", "ds", "y"]].dropna(), "inner", ["unique_id", "ds"])
        scales = mase_scales_before(clean, table["ds"].min(), season)
        told["scale"] = told["unique_id"].map(scales)
        for (name, model, source), part in told.groupby(["unique_id", "model_name", "source"]):
            figures = {
                key: value for key, value in score_forecasts(part).items() if key in ("mae", "mase", "wql", "coverage")
            }
            rows.append(
                {
                    "forecast_vintage": moment,
                    "unique_id": name,
                    "model_name": model,
                    "source": source,
                    "rows": len(part),
                }
                | figures
            )
    return pd.DataFrame(rows)


@step
def score_past(
    clean: Artifact, past: tuple[Published, ...], night: RunContext, question: ForecastSetup, store: Store
) -> AccuracyResult:
    """Score every earlier vintage that has actuals by now, and publish both beside the forecasts."""
    frame = store.get(clean)
    vintages = {pd.Timestamp(one.as_of): store.get(one.file) for one in past}
    accuracy = compare(vintages, frame, question.evaluation.season or question.view.season)
    if accuracy.empty:
        return AccuracyResult()
    forecast_times = pd.concat([table[["unique_id", "ds"]] for table in vintages.values()]).drop_duplicates()
    actuals = frame.merge(forecast_times, "inner", ["unique_id", "ds"])[["unique_id", "ds", "y"]].dropna()
    return AccuracyResult(
        actuals=_published(actuals.reset_index(drop=True), "actuals", night, store),
        accuracy=_published(accuracy, "accuracy", night, store),
        summary=_summary(accuracy),
    )


def _published(table: pd.DataFrame, kind: str, night: RunContext, store: Store) -> Artifact:
    return store.publish(store.put(table, kind), vintage_uri(kind, night.pipeline, night.as_of))


def _summary(accuracy: pd.DataFrame) -> str:
    newest = accuracy[accuracy["forecast_vintage"] == accuracy["forecast_vintage"].max()]
    return (
        f"the forecast of {newest['forecast_vintage'].iloc[0]:%Y-%m-%d} came with mase {newest['mase'].mean():.3f}, "
        f"{newest['coverage'].mean():.0%} inside the interval, {int(newest['rows'].sum())} rows"
    )
