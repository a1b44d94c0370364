"""Train, evaluate and register models, and publish nothing: the first half of a night."""

from prefect import flow

from flows.pipeline.parameters import NO_OVERRIDES, AsOf, DryRun, Force, Pipeline, RunOverrides, run_name
from flows.runs.outcome import Outcome
from flows.runs.page_context import collect_page_context
from flows.runs.run import open_run
from tasks.evaluation import evaluate
from tasks.ingestion import ingest
from tasks.memory import draw_memory
from tasks.registration import register
from tasks.registry.champions import champion_before
from tasks.registry.manual_decisions import describe_manual_decisions
from tasks.reporting import report
from tasks.results.run import RunResults, competing_candidates, trained_challengers, with_drawings
from tasks.revisions import list_revisions
from tasks.training import train, trained_side_by_side
from tasks.validation import validate
from tasks.windowing import cut_windows


@flow(name="retrain", flow_run_name=run_name, persist_result=False, result_serializer="json")
def retrain(
    pipeline: Pipeline, as_of: AsOf = None, overrides: RunOverrides = NO_OVERRIDES, dry_run: DryRun = False,
    force: Force = False,
) -> Outcome:  # fmt: skip
    """Register a new champion, if a challenger beats the current one and every baseline."""
    with open_run("retrain", pipeline, as_of, overrides, dry_run, force) as run:
        run.require_hardware()
        spec = run.spec
        raw = ingest(spec.dataset, run.as_of, run.store)
        night, store = run.context(raw), run.leased_store()
        validated = validate(raw, spec.dataset, run.as_of, store)
        revised = list_revisions.attempt(validated.clean, *run.last_night, store)
        windows = cut_windows(
            validated.clean, validated.cutoff, spec.input_spec, spec.windowing, spec.evaluation, store
        )

        incumbent = run.checked(champion_before(spec.name, run.as_of, store))
        clean = validated.clean
        with trained_side_by_side(clean, windows, spec.recipes, incumbent, store):
            trained = tuple(train.attempt(clean, windows, recipe, incumbent, store) for recipe in spec.recipes)
        pictured = draw_memory.attempt(validated.clean, windows, trained_challengers(trained), spec.memory, store)
        evaluated = evaluate(
            validated.clean, windows, competing_candidates(trained, incumbent), spec.forecast_setup, store
        )
        gate, challengers = run.gate.on(validated.clean), with_drawings(trained_challengers(trained), pictured)
        registered = register(evaluated, challengers, incumbent, night, gate, store)

        results = RunResults(
            night=night, raw=raw, validated=validated, windows=windows, incumbent=incumbent, trained=trained,
            pictured=pictured, evaluated=evaluated, registered=registered, revised=revised,
            rewritten=run.rewritten, notices=run.notices,
            by_hand=describe_manual_decisions(spec.name, run.as_of, store),
        )  # fmt: skip
        about = collect_page_context(spec, run.as_of, run.settings)
        return run.close(results, report.attempt(results, spec.forecast_setup, about, store))
