"""Step 10 · the night's claim checks → the morning page: what happened, and whether to worry."""

from tasks.engine.step import step
from tasks.modeling.forecast_setup import Question
from tasks.report import render
from tasks.report.assemble import _filled, leaderboard
from tasks.report.forecast_image import picture
from tasks.report.verdict import verdict
from tasks.results.run import Story
from tasks.results.steps import Reported
from tasks.storage.store import Store


@step
def report(story: Story, question: Question, store: Store) -> Reported:
    """Write the morning page beside the drift report."""
    board = leaderboard(story, question.evaluation.metric, store)
    state, lines = verdict(story)
    morning = _filled(story, question, board, store)
    page = render.render(morning)
    folder = f"reports/pipeline={story.night.pipeline}/{story.night.run_id}"
    rows = board.drop(columns=["bundle"], errors="ignore")
    drawn = picture(morning) if len(morning.forecast) else b""
    return Reported(
        page=store.place(page.encode(), "page", f"{folder}/index.html"),
        picture=store.place(drawn, "picture", f"{folder}/forecast.svg") if drawn else None,
        verdict=state,
        lines=lines,
        leaderboard=tuple(rows.astype(object).where(rows.notna(), None).to_dict("records")),
    )
