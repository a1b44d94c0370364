"""Write the morning page of a run: what happened, and whether it needs attention."""

from tasks.engine.machine_memory import release_unused_memory
from tasks.engine.step import step
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.report import render
from tasks.report.assemble import collect_report_data, leaderboard
from tasks.report.decision_history import to_records
from tasks.report.forecast_image import render_forecast_image
from tasks.results.page_context import PageContext
from tasks.results.run import RunResults
from tasks.results.steps import ReportResult
from tasks.storage.layout import report_dir
from tasks.storage.store import Store


@step
def report(results: RunResults, setup: ForecastSetup, about: PageContext, store: Store) -> ReportResult:
    """Write the morning page and the image of the forecast to the folder of the run."""
    board = leaderboard(results, setup.evaluation.metric, store)
    data = collect_report_data(results, setup, board, about, store)
    release_unused_memory()
    page = render.render_page(data)
    release_unused_memory()
    folder = report_dir(results.night.pipeline, results.night.run_id)
    rows = board.drop(columns=["bundle"], errors="ignore")
    image = render_forecast_image(data) if len(data.forecast) else b""
    return ReportResult(
        page=store.put_at(page.encode(), "page", f"{folder}/index.html"),
        picture=store.put_at(image, "picture", f"{folder}/forecast.svg") if image else None,
        verdict=data.verdict,
        lines=data.lines,
        decisions=to_records(data.decisions),
        leaderboard=tuple(rows.astype(object).where(rows.notna(), None).to_dict("records")),
    )
