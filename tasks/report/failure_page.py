"""The page of a night that ended without a result: what failed, what to do, and what readers still see."""

import contextlib
from typing import NamedTuple

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken, NightcastError, StoreDamaged, redact
from tasks.charts.axes import choose_clock
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.report import render, series_charts
from tasks.report.assemble import rules_broken, versions
from tasks.results.steps import RunContext
from tasks.storage.layout import latest_uri, report_dir
from tasks.storage.store import Store


class Failure(NamedTuple):
    """What a night says of the error that ended it; `step` is where it stopped."""

    headline: str
    advice: str
    step: str
    reasons: tuple[str, ...]


def describe_error(error: Exception, step: str) -> Failure:
    """Return the headline of the class of an error, what to do, and the reasons, without secrets."""
    if not isinstance(error, NightcastError):
        reason = redact(f"{type(error).__name__}: {str(error).strip() or 'no reason was given'}")
        advice = "The cause is not known to Nightcast. Run the same night with --verbose to see the traceback."
        return Failure(NightcastError.headline, advice, step, (reason,))
    reasons = error.findings if isinstance(error, ContractBroken) else [str(error)]
    if isinstance(error, ContractBroken) and not error.quarantine:
        reasons = [f"{error.table}: {finding}" for finding in reasons]
    return Failure(error.headline, error.advice, step, tuple(map(redact, reasons)))


def render_failure_page(
    run: RunContext, step: str, error: Exception, question: ForecastSetup, store: Store, rerun: str = ""
) -> Artifact:
    """Write reports/pipeline=…/<run id>/index.html.

    Args:
        run: Pipeline, run id and as-of.
        step: Where the night stopped.
        error: Why it stopped.
        question: Frequency and time zone of the pipeline.
        store: The store with the newest forecasts, which gets the page.
        rerun: The command that runs the night again.

    Returns:
        The page.
    """
    latest = _read_latest(run.pipeline, store)
    quarantine = error.quarantine if isinstance(error, ContractBroken) else None
    series = series_charts.SeriesCharts(pd.DataFrame(), latest, None)
    times = latest.get("ds", pd.Series(dtype="datetime64[us, UTC]"))
    clock = choose_clock(times, question.view.freq, question.view.zone)
    page = render.load_template("failure.html").render(
        pipeline=run.pipeline,
        as_of=run.as_of,
        zone=question.view.zone,
        run_id=run.run_id,
        failure=describe_error(error, step),
        cutoff=latest["cutoff"].max() if len(latest) else None,
        clock=clock,
        rules=rules_broken(quarantine, store),
        quarantine=quarantine,
        rerun=rerun,
        main=series_charts.draw_main_card(series, clock),
        series=len(series.names),
        versions=versions(),
    )
    uri = f"{report_dir(run.pipeline, run.run_id)}/index.html"
    return store.put_at(render.without_controls(page).encode(), "page", uri)


def _read_latest(pipeline: str, store: Store) -> pd.DataFrame:
    """Return the newest published forecasts; none if they are missing or damaged, which `doctor` reports."""
    with contextlib.suppress(StoreDamaged):
        for uri in store.list_files(latest_uri(pipeline)):
            return store.get(store.table_at(uri, "forecasts"))
    return pd.DataFrame()
