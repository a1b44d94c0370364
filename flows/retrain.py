"""Train, judge and register, and publish nothing: the first half of a night."""

from prefect import flow

from flows.pipeline.parameters import AS_WRITTEN, AsOf, DryRun, Otherwise, Pipeline, run_name
from flows.runs.run import Outcome, open_run
from tasks.evaluation import evaluate
from tasks.ingestion import ingest
from tasks.memory import draw_memory
from tasks.registration import register
from tasks.registry.champions import champion_before
from tasks.reporting import report
from tasks.results.run import Story, challengers, illustrated, rivals
from tasks.revisions import list_revisions
from tasks.training import train
from tasks.validation import validate
from tasks.windowing import cut_windows


@flow(name="retrain", flow_run_name=run_name, persist_result=False)
def retrain(
    pipeline: Pipeline, as_of: AsOf = None, overrides: Otherwise = AS_WRITTEN, dry_run: DryRun = False
) -> Outcome:
    """A new champion, if one beats the old one and every baseline."""
    with open_run("retrain", pipeline, as_of, overrides, dry_run) as run:
        run.can_train()
        spec, store = run.spec, run.store
        raw = ingest(spec.reading, run.as_of, store)
        night = run.night(raw)
        validated = validate(raw, spec.reading, run.as_of, store)
        revised = list_revisions.attempt(validated.clean, *run.last_night, store)
        windows = cut_windows(
            validated.clean, validated.cutoff, spec.view, spec.windowing, spec.evaluation.windows, store
        )

        incumbent = champion_before(spec.name, run.as_of, store)
        trained = tuple(train.attempt(validated.clean, windows, recipe, incumbent, store) for recipe in spec.recipes)
        pictured = draw_memory.attempt(validated.clean, windows, challengers(trained), spec.memory, store)
        evaluated = evaluate(validated.clean, windows, rivals(trained, incumbent), spec.question, store)
        registered = register(evaluated, illustrated(challengers(trained), pictured), incumbent, night, run.gate, store)

        story = Story(
            night=night, raw=raw, validated=validated, windows=windows, incumbent=incumbent, trained=trained,
            pictured=pictured, evaluated=evaluated, registered=registered, revised=revised, rewritten=run.rewritten,
        )  # fmt: skip
        return run.close(story, report.attempt(story, spec.question, store))
