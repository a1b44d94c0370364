"""Every night: fresh data in, a judged model and published forecasts out. Each line below is one file in tasks/."""

from prefect import flow

from flows.pipeline.parameters import AS_WRITTEN, AsOf, DryRun, Otherwise, Pipeline, run_name
from flows.runs.run import Outcome, open_run
from tasks.accuracy import score_past
from tasks.drift import watch_drift
from tasks.evaluation import evaluate
from tasks.forecasting import forecast
from tasks.ingestion import ingest
from tasks.memory import draw_memory
from tasks.registration import register
from tasks.registry.champions import champion_before, former_champions
from tasks.reporting import report
from tasks.results.run import Story, challengers, illustrated, rivals, standing
from tasks.revisions import list_revisions
from tasks.storage.vintages import published_before
from tasks.training import train
from tasks.validation import validate
from tasks.windowing import cut_windows


@flow(name="nightly", flow_run_name=run_name, persist_result=False)
def nightly(
    pipeline: Pipeline, as_of: AsOf = None, overrides: Otherwise = AS_WRITTEN, dry_run: DryRun = False
) -> Outcome:
    """The whole night. What a forecast needs stops the night where it fails; the rest is attempted, and reported."""
    with open_run("nightly", pipeline, as_of, overrides, dry_run) as run:
        spec, store = run.spec, run.store
        raw = ingest(spec.reading, run.as_of, store)
        night = run.night(raw)
        validated = validate(raw, spec.reading, run.as_of, store)
        revised = list_revisions.attempt(validated.clean, *run.last_night, store)
        clean, cutoff = validated.clean, validated.cutoff
        windows = cut_windows(clean, cutoff, spec.view, spec.windowing, spec.evaluation.windows, store)

        incumbent = champion_before(spec.name, run.as_of, store)
        trained = tuple(train.attempt(clean, windows, recipe, incumbent, store) for recipe in spec.recipes)
        pictured = draw_memory.attempt(clean, windows, challengers(trained), spec.memory, store)
        evaluated = evaluate.attempt(clean, windows, rivals(trained, incumbent), spec.question, store)
        registered = register.attempt(
            evaluated, illustrated(challengers(trained), pictured), incumbent, night, run.gate, store
        )

        stand = standing(registered, incumbent, former_champions(spec.name, run.as_of, store), evaluated)
        forecasted = forecast(clean, windows, stand, night, spec.question, store)
        past = published_before(spec.name, run.as_of, spec.evaluation.windows, store)
        realised = score_past.attempt(clean, past, night, spec.question, store)
        drifted = watch_drift.attempt(clean, cutoff, spec.view, spec.drift, night, store)

        story = Story(
            night=night, raw=raw, validated=validated, windows=windows, incumbent=incumbent, trained=trained,
            pictured=pictured, evaluated=evaluated, registered=registered, forecasted=forecasted, past=past,
            realised=realised, drifted=drifted, revised=revised, rewritten=run.rewritten,
        )  # fmt: skip
        return run.close(story, report.attempt(story, spec.question, store))
