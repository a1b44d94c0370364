"""The page of a night that ended without a result: what failed, what to do, and what readers still see."""

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken, redact
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.report import page_data, render
from tasks.report.assemble import rules_broken, versions
from tasks.results.steps import RunContext
from tasks.storage.layout import latest_uri, report_dir
from tasks.storage.store import Store


def render_failure_page(
    run: RunContext, step: str, error: Exception, question: ForecastSetup, store: Store
) -> Artifact:
    """Write reports/pipeline=…/<run id>/index.html; `step` is where the night stopped."""
    pipeline = run.pipeline
    published = store.list_files(latest_uri(pipeline))
    latest = store.get(store.table_at(published[0], "forecasts")) if published else pd.DataFrame()
    contract_error = error if isinstance(error, ContractBroken) else None
    reason = redact(str(error))
    published_line = "No earlier forecast has been published."
    if len(latest):
        published_line = (
            f"Readers still see the forecast with cutoff {latest['cutoff'].max():%Y-%m-%d %H:%M} UTC, shown below."
        )
    data = page_data.ReportData(
        pipeline=pipeline,
        as_of=run.as_of,
        zone=question.view.zone,
        cutoff=latest["cutoff"].max() if len(latest) else run.as_of,
        run_id=run.run_id,
        horizon=question.view.horizon,
        freq=question.view.freq,
        season=question.evaluation.season or question.view.season,
        verdict="bad",
        lines=(
            "Nothing new was published: the data broke its contract." if contract_error else "The night failed.",
            "Fix the rows listed below, or the rule, and run the same night again." if contract_error else reason,
            published_line,
        ),
        failures=tuple(
            page_data.FailureRow(step, finding) for finding in (contract_error.findings if contract_error else [reason])
        ),
        leaderboard=pd.DataFrame(),
        metric=question.evaluation.metric,
        decision="",
        history=pd.DataFrame(),
        forecast=latest,
        quarantine=rules_broken(contract_error.quarantine if contract_error else None, store),
        quarantine_uri=(contract_error.quarantine or "") if contract_error else "",
        versions=versions(),
    )
    uri = f"{report_dir(pipeline, run.run_id)}/index.html"
    return store.put_at(render.render_page(data).encode(), "page", uri)
