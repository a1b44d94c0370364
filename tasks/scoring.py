"""Score the forecasts of rolling origins against the actuals that are known now, one part at a time."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from tasks.engine.step import step
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.calendar_groups import CalendarGroups
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.group_scores import ScoreSpec, SeriesScales, score_models
from tasks.modeling.loss_sums import LossSums
from tasks.modeling.segments import segments_of
from tasks.results.backtest import BacktestScores
from tasks.storage.store import Store


@step
def score_backtest(
    forecasts: tuple[Artifact, ...],
    clean: Artifact,
    first: datetime,
    spec: ScoreSpec,
    setup: ForecastSetup,
    store: Store,
) -> BacktestScores:
    """Join the forecasts with their actuals and score every model.

    Args:
        forecasts: The tables of `forecast_origins`; no origin is in two of them.
        clean: The clean table with the actuals.
        first: The cutoff of the first origin: scales are of the history up to it.
        spec: Season of the scales, reference of OWA, weights of the series.
        setup: The columns that group series, the frequency and the time zone of the pipeline.
        store: The store that holds the tables and takes the results.

    Returns:
        The forecasts with actuals, the scores, and those overall.

    Raises:
        NightcastError: If no forecast has an actual.
    """
    grouping, calendar = setup.segment_columns, CalendarGroups(setup.view.freq, setup.view.zone)
    history, models = load_clean_table(clean, store), dict[str, LossSums]()

    def parts() -> Iterator[pd.DataFrame]:
        for artifact in forecasts:
            for group in store.row_groups(artifact):
                table = group.to_pandas()
                table["y"] = lookup_actuals(history, table["unique_id"], table["ds"])
                for label, rows in table.groupby("model_name", sort=False):
                    models.setdefault(str(label), LossSums(calendar)).add(rows)
                yield table

    stored = store.put_parts(parts(), "rolling_forecasts")
    scales = SeriesScales.before(history, pd.Timestamp(first), spec.season)
    scores = score_models(models, segments_of(history, grouping), scales, spec)
    overall = scores[scores["by"] == "overall"].drop(columns=["by", "group"])
    if not overall["rows"].sum():
        raise NightcastError(
            f"no forecast from {first:%Y-%m-%d %H:%M} UTC on has an actual yet. Give an earlier --to, or wait for the "
            "values of the horizon."
        )
    records = overall.astype(object).where(overall.notna(), None).to_dict("records")
    return BacktestScores(forecasts=stored, scores=store.put(scores, "rolling_scores"), overall=tuple(records))
