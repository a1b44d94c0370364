"""Publish a forecast of the current champion: the second half of a night, without training."""

from datetime import timedelta

from prefect import flow

from flows.pipeline.parameters import AsOf, DryRun, Force, Pipeline, run_name
from flows.runs.outcome import Outcome
from flows.runs.page_context import collect_page_context
from flows.runs.run import open_run
from tasks.accuracy import score_past
from tasks.anomalies import find_anomalies
from tasks.attribution import attribute_revision
from tasks.forecasting import forecast as publish_forecast
from tasks.ingestion import ingest
from tasks.registry.champions import champion_at, list_former_champions, standing_at
from tasks.registry.manual_decisions import describe_manual_decisions
from tasks.report.without_forecast import list_without_forecast
from tasks.reporting import report
from tasks.results.accuracy import ForecastsToScore
from tasks.results.anomalies import ErrorSources
from tasks.results.manifest import read_forecast_night
from tasks.results.revision import forecast_night
from tasks.results.run import RunResults, forecast_options
from tasks.revisions import list_revisions
from tasks.states import keep_states
from tasks.storage.vintages import list_published_before
from tasks.validation import validate
from tasks.windowing import cut_windows


@flow(name="forecast", flow_run_name=run_name, persist_result=False, result_serializer="json")
def forecast(pipeline: Pipeline, as_of: AsOf = None, dry_run: DryRun = False, force: Force = False) -> Outcome:
    """Publish the forecast of the champion. Raises NoChampion if the pipeline has no champion."""
    with open_run("forecast", pipeline, as_of, dry_run=dry_run, force=force) as run:
        spec = run.spec
        raw = ingest(spec.dataset, run.as_of, run.store)
        night, store = run.context(raw), run.leased_store()
        validated = validate(raw, spec.dataset, run.as_of, store)
        revised = list_revisions.attempt(validated.clean, *run.last_night, store)
        clean = validated.clean
        windows = cut_windows(clean, validated.cutoff, spec.input_spec, spec.windowing, spec.evaluation, store)

        standing = standing_at(spec.name, run.as_of, store)
        champion = run.checked(champion_at(spec.name, standing, store))
        formers = list_former_champions(spec.name, standing, store)
        past = list_published_before(spec.name, run.as_of, spec.evaluation.windows, store)
        options = forecast_options(None, champion, formers, None, validated.extreme, run.champion_fault)
        forecasted = publish_forecast(clean, windows, options.after(past), night, spec.forecast_setup, store)
        kept = keep_states.attempt(clean, validated.cutoff, champion, spec.forecast_setup, store)
        tonight, before = forecast_night(forecasted, validated), read_forecast_night(past, spec.name, store)
        attributed = attribute_revision.attempt(tonight, before, spec.forecast_setup, store)
        scored = ForecastsToScore(context=night, clean=clean, past=past, revised=revised)
        realised = score_past.attempt(scored, spec.forecast_setup, store)
        sources = ErrorSources(context=night, clean=clean, past=past, champion=champion)
        anomalies = find_anomalies.attempt(realised, sources, spec.forecast_setup, spec.anomalies, store)

        results = RunResults(
            night=night, raw=raw, validated=validated, windows=windows, incumbent=champion, forecasted=forecasted,
            kept=kept, past=past, attributed=attributed, realised=realised, anomalies=anomalies, revised=revised,
            rewritten=run.rewritten,
            notices=run.notices,
            by_hand=describe_manual_decisions(spec.name, standing + timedelta(seconds=1), store),
            without_forecast=list_without_forecast(raw, validated, forecasted, past, spec.input_spec.lookback, store),
        )  # fmt: skip
        about = collect_page_context(spec, run.as_of, run.settings)
        return run.close(results, report.attempt(results, spec.forecast_setup, about, store))
