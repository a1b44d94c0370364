"""Step 10 · the night's claim checks → the morning page: what happened, and whether to worry."""

from tasks.engine.step import step
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.report import render
from tasks.report.assemble import _filled, leaderboard
from tasks.report.forecast_image import render_forecast_image
from tasks.report.verdict import verdict
from tasks.results.run import RunResults
from tasks.results.steps import ReportResult
from tasks.storage.layout import report_dir
from tasks.storage.store import Store


@step
def report(story: RunResults, question: ForecastSetup, store: Store) -> ReportResult:
    """Write the morning page beside the drift report."""
    board = leaderboard(story, question.evaluation.metric, store)
    state, lines = verdict(story)
    morning = _filled(story, question, board, store)
    page = render.render(morning)
    folder = report_dir(story.night.pipeline, story.night.run_id)
    rows = board.drop(columns=["bundle"], errors="ignore")
    drawn = render_forecast_image(morning) if len(morning.forecast) else b""
    return ReportResult(
        page=store.put_at(page.encode(), "page", f"{folder}/index.html"),
        picture=store.put_at(drawn, "picture", f"{folder}/forecast.svg") if drawn else None,
        verdict=state,
        lines=lines,
        leaderboard=tuple(rows.astype(object).where(rows.notna(), None).to_dict("records")),
    )
