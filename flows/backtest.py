"""Forecast again at rolling origins of the past, as known at each, and score the forecasts; change nothing."""

from prefect import flow

from flows.pipeline.origins import list_origins
from flows.pipeline.parameters import AsOf, BacktestEnd, BacktestOptions, BacktestStart, Pipeline, backfill_name
from flows.runs.run import open_run
from tasks.backtest.conclusion import conclude
from tasks.backtest.fits import choose_models, forecast_all
from tasks.backtest.origins import tables_at
from tasks.backtest.settings import DEFAULT_BACKTEST, BacktestPlan
from tasks.ingestion import ingest
from tasks.results.backtest import BacktestOutcome
from tasks.validation import validate


@flow(name="backtest", flow_run_name=backfill_name, persist_result=False, result_serializer="json")
def backtest(
    pipeline: Pipeline, start: BacktestStart, end: BacktestEnd, options: BacktestOptions = DEFAULT_BACKTEST,
    as_of: AsOf = None,
) -> BacktestOutcome:  # fmt: skip
    """Return the scores of models at rolling origins. Nothing is registered or published."""
    with open_run("backtest", pipeline, as_of) as run:
        spec, store = run.spec, run.store
        plan = BacktestPlan(
            settings=options, reading=spec.dataset, recipe=spec.recipes[0], windowing=spec.windowing,
            setup=spec.forecast_setup, as_of=run.as_of,
        )  # fmt: skip
        moments = list_origins(spec, start, end, options.every, run.as_of)
        fixed = choose_models(plan, run.settings.readable_tracking, store)

        raw = ingest(spec.dataset, run.as_of, store)
        validated = validate(raw, spec.dataset, run.as_of, store)
        listed = tables_at(moments, validated, plan, store)
        forecasts = forecast_all(listed.origins, fixed, plan, store)
        return conclude(listed, forecasts, fixed, validated, plan, store)
