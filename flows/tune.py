"""Search for better settings, evaluate the best ones once on windows that the search never saw; change nothing."""

from prefect import flow

from flows.pipeline.parameters import AsOf, Pipeline, run_name
from flows.runs.run import open_run
from tasks.evaluation import evaluate
from tasks.ingestion import ingest
from tasks.search.conclusion import TuningOutcome, compare_on_test, contenders
from tasks.search.search import DEFAULT_BUDGET, SearchBudget, search
from tasks.training import train
from tasks.validation import validate
from tasks.windowing import cut_windows


@flow(name="tune", flow_run_name=run_name, persist_result=False, result_serializer="json")
def tune(pipeline: Pipeline, as_of: AsOf = None, effort: SearchBudget = DEFAULT_BUDGET) -> TuningOutcome:
    """Return the best settings of a search, and whether they are better. Nothing is registered or published."""
    with open_run("tune", pipeline, as_of) as run:
        run.require_hardware()
        spec, store = run.spec, run.store
        raw = ingest(spec.dataset, run.as_of, store)
        validated = validate(raw, spec.dataset, run.as_of, store)
        clean = validated.clean
        windows = cut_windows(clean, validated.cutoff, spec.input_spec, spec.windowing, spec.evaluation, store)

        searched = search(clean, windows, spec.recipes, spec.forecast_setup, effort, store)
        trained = tuple(train.attempt(clean, windows, recipe, None, store) for recipe in searched.finalists)
        evaluated = evaluate(clean, windows, contenders(searched, trained), spec.forecast_setup, store)

        return compare_on_test(searched, evaluated, run.context(raw), spec.promotion, spec.evaluation.metric, store)
