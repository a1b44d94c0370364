"""The whole night: new data, new models, forecasts, the morning page. Each line is one step file in tasks/."""

from prefect import flow

from flows.pipeline.parameters import NO_OVERRIDES, AsOf, DryRun, Force, Pipeline, RunOverrides, run_name
from flows.runs.outcome import Outcome
from flows.runs.page_context import collect_page_context
from flows.runs.run import open_run
from tasks.accuracy import score_past
from tasks.anomalies import find_anomalies
from tasks.attribution import attribute_revision
from tasks.drift import watch_drift
from tasks.evaluation import evaluate
from tasks.forecasting import forecast
from tasks.ingestion import ingest
from tasks.memory import draw_memory
from tasks.registration import register
from tasks.registry.champions import champion_before, list_former_champions
from tasks.registry.manual_decisions import describe_manual_decisions
from tasks.report.without_forecast import list_without_forecast
from tasks.reporting import report
from tasks.results.accuracy import ForecastsToScore
from tasks.results.anomalies import ErrorSources
from tasks.results.drift import DriftSources
from tasks.results.manifest import read_forecast_night
from tasks.results.revision import forecast_night
from tasks.results.run import RunResults, competing_candidates, forecast_options, trained_challengers, with_drawings
from tasks.revisions import list_revisions
from tasks.states import keep_states
from tasks.storage.vintages import list_published_before
from tasks.training import train, trained_side_by_side
from tasks.validation import validate
from tasks.windowing import cut_windows


@flow(name="nightly", flow_run_name=run_name, persist_result=False, result_serializer="json")
def nightly(
    pipeline: Pipeline, as_of: AsOf = None, overrides: RunOverrides = NO_OVERRIDES, dry_run: DryRun = False,
    force: Force = False,
) -> Outcome:  # fmt: skip
    """Run a night. If a step that the forecast needs fails, the night stops. Failures of others are on the page."""
    with open_run("nightly", pipeline, as_of, overrides, dry_run, force) as run:
        spec = run.spec
        raw = ingest(spec.dataset, run.as_of, run.store)
        night, store = run.context(raw), run.leased_store()
        validated = validate(raw, spec.dataset, run.as_of, store)
        clean, cutoff = validated.clean, validated.cutoff
        revised = list_revisions.attempt(clean, *run.last_night, store)
        windows = cut_windows(clean, cutoff, spec.input_spec, spec.windowing, spec.evaluation, store)
        incumbent = run.checked(champion_before(spec.name, run.as_of, store))
        with trained_side_by_side(clean, windows, spec.recipes, incumbent, store):
            trained = tuple(train.attempt(clean, windows, recipe, incumbent, store) for recipe in spec.recipes)
        pictured = draw_memory.attempt(clean, windows, trained_challengers(trained), spec.memory, store)
        models = competing_candidates(trained, incumbent)
        evaluated = evaluate.attempt(clean, windows, models, spec.forecast_setup, store)
        gate, challengers = run.gate.on(clean), with_drawings(trained_challengers(trained), pictured)
        registered = register.attempt(evaluated, challengers, incumbent, night, gate, store)
        formers = list_former_champions(spec.name, run.as_of, store)
        past = list_published_before(spec.name, run.as_of, spec.evaluation.windows, store)
        options = forecast_options(registered, incumbent, formers, evaluated, validated.extreme, run.champion_fault)
        forecasted = forecast(clean, windows, options.after(past), night, spec.forecast_setup, store)
        kept = keep_states.attempt(clean, cutoff, options.champion, spec.forecast_setup, store)
        tonight, before = forecast_night(forecasted, validated), read_forecast_night(past, spec.name, store)
        attributed = attribute_revision.attempt(tonight, before, spec.forecast_setup, store)
        scored = ForecastsToScore(context=night, clean=clean, past=past, revised=revised)
        realised = score_past.attempt(scored, spec.forecast_setup, store)
        sources = ErrorSources(context=night, clean=clean, past=past, champion=options.champion, evaluated=evaluated)
        anomalies = find_anomalies.attempt(realised, sources, spec.forecast_setup, spec.anomalies, store)
        watched = DriftSources(
            context=night, clean=clean, cutoff=cutoff, past=past, forecasted=forecasted, anomalies=anomalies,
            champion=options.champion,
        )  # fmt: skip
        drifted = watch_drift.attempt(watched, spec.forecast_setup, spec.drift, store)
        results = RunResults(
            night=night, raw=raw, validated=validated, windows=windows, incumbent=incumbent, trained=trained,
            pictured=pictured, evaluated=evaluated, registered=registered, forecasted=forecasted, kept=kept, past=past,
            attributed=attributed, realised=realised, anomalies=anomalies, drifted=drifted, revised=revised,
            rewritten=run.rewritten,
            notices=run.notices, by_hand=describe_manual_decisions(spec.name, run.as_of, store),
            without_forecast=list_without_forecast(raw, validated, forecasted, past, spec.input_spec.lookback, store),
        )  # fmt: skip
        about = collect_page_context(spec, run.as_of, run.settings)
        return run.close(results, report.attempt(results, spec.forecast_setup, about, store))
