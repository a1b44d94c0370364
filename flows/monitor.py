"""Score past forecasts against the actuals and watch the data for drift; publish no forecast."""

from datetime import timedelta

from prefect import flow

from flows.pipeline.parameters import AsOf, DryRun, Force, Pipeline, run_name
from flows.runs.outcome import Outcome
from flows.runs.page_context import collect_page_context
from flows.runs.run import open_run
from tasks.accuracy import score_past
from tasks.anomalies import find_anomalies
from tasks.drift import watch_drift
from tasks.ingestion import ingest
from tasks.registry.champions import champion_at, standing_at
from tasks.registry.manual_decisions import describe_manual_decisions
from tasks.reporting import report
from tasks.results.accuracy import ForecastsToScore
from tasks.results.anomalies import ErrorSources
from tasks.results.drift import DriftSources
from tasks.results.run import RunResults
from tasks.revisions import list_revisions
from tasks.storage.vintages import list_published_before
from tasks.validation import validate


@flow(name="monitor", flow_run_name=run_name, persist_result=False, result_serializer="json")
def monitor(pipeline: Pipeline, as_of: AsOf = None, dry_run: DryRun = False, force: Force = False) -> Outcome:
    """Score published forecasts, detect drift, and write the page, which names a check that failed."""
    with open_run("monitor", pipeline, as_of, dry_run=dry_run, force=force) as run:
        spec = run.spec
        raw = ingest(spec.dataset, run.as_of, run.store)
        night, store = run.context(raw), run.leased_store()
        validated = validate(raw, spec.dataset, run.as_of, store)
        revised = list_revisions.attempt(validated.clean, *run.last_night, store)

        standing = standing_at(spec.name, run.as_of, store)
        champion = run.checked(champion_at(spec.name, standing, store))
        past = list_published_before(spec.name, run.as_of, spec.evaluation.windows, store)
        scored = ForecastsToScore(context=night, clean=validated.clean, past=past, revised=revised)
        realised = score_past.attempt(scored, spec.forecast_setup, store)
        sources = ErrorSources(context=night, clean=validated.clean, past=past, champion=champion)
        anomalies = find_anomalies.attempt(realised, sources, spec.forecast_setup, spec.anomalies, store)
        watched = DriftSources(
            context=night, clean=validated.clean, cutoff=validated.cutoff, past=past, anomalies=anomalies,
            champion=champion,
        )  # fmt: skip
        drifted = watch_drift.attempt(watched, spec.forecast_setup, spec.drift, store)

        results = RunResults(
            night=night, raw=raw, validated=validated, incumbent=champion, past=past, realised=realised,
            anomalies=anomalies, drifted=drifted, revised=revised, rewritten=run.rewritten, notices=run.notices,
            by_hand=describe_manual_decisions(spec.name, standing + timedelta(seconds=1), store),
        )  # fmt: skip
        about = collect_page_context(spec, run.as_of, run.settings)
        return run.close(results, report.attempt(results, spec.forecast_setup, about, store))
