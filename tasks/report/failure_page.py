"""The page of a night that ended without a result: what broke, what to do, and what readers still see."""

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.report import page_data, render
from tasks.report.assemble import rules_broken, versions
from tasks.results.steps import RunContext
from tasks.storage.layout import latest_dir, report_dir
from tasks.storage.store import Store


def render_failure_page(
    run: RunContext, step: str, error: Exception, question: ForecastSetup, store: Store
) -> Artifact:
    """Write reports/pipeline=…/<run id>/index.html; `step` is where the night stopped."""
    pipeline = run.pipeline
    published = store.list_files(latest_dir(pipeline))
    latest = store.get(store.table_at(published[0], "forecasts")) if published else pd.DataFrame()
    broken = error if isinstance(error, ContractBroken) else None
    still = "There is no earlier forecast."
    if len(latest):
        still = f"Readers still see the forecast made after {latest['cutoff'].max():%Y-%m-%d %H:%M} UTC, shown below."
    morning = page_data.ReportData(
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
            "Nothing new was published: the data broke its contract." if broken else "The night failed.",
            "Mend the rows that are named below, or the rule, and run the same night again." if broken else str(error),
            still,
        ),
        failures=tuple(page_data.FailureRow(step, one) for one in (broken.findings if broken else [str(error)])),
        leaderboard=pd.DataFrame(),
        metric=question.evaluation.metric,
        decision="",
        history=pd.DataFrame(),
        forecast=latest,
        quarantine=rules_broken(broken.quarantine if broken else None, store),
        quarantine_uri=(broken.quarantine or "") if broken else "",
        versions=versions(),
    )
    uri = f"{report_dir(pipeline, run.run_id)}/index.html"
    return store.put_at(render.render(morning).encode(), "page", uri)
