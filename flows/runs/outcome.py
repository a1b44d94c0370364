"""How a run ended, and the summary of it for the Prefect UI."""

from datetime import datetime
from zoneinfo import ZoneInfo

from data_contracts.spec import Spec
from flows.runs.prefect_artifacts import RunSummary
from tasks.modeling.series import SeriesWithoutForecast
from tasks.results.steps import ReportResult
from tasks.storage.store import Store


class Outcome(Spec):
    """How a run ended: what a flow returns, and the command line prints."""

    pipeline: str
    flow: str
    run_id: str
    as_of: datetime
    verdict: str
    lines: tuple[str, ...]
    champion: str | None = None
    published: str | None = None
    page: str | None = None
    manifest: str
    cached: bool = False
    dry_run: bool = False
    notices: tuple[str, ...] = ()
    without_forecast: tuple[SeriesWithoutForecast, ...] = ()


def summarize(outcome: Outcome, page: ReportResult | None, zone: ZoneInfo, store: Store) -> RunSummary:
    """Return what the artifacts in the Prefect UI show of a run; the night is given in `zone`."""
    version = outcome.champion.rpartition(" v")[2] if outcome.champion else None
    files = {"published": outcome.published, "page": outcome.page, "manifest": outcome.manifest}
    return RunSummary(
        pipeline=outcome.pipeline,
        flow="dry run of " + outcome.flow if outcome.dry_run else outcome.flow,
        night=f"{outcome.as_of.astimezone(zone):%Y-%m-%d %H:%M}",
        verdict=outcome.verdict,
        lines=outcome.lines,
        locations={"champion": outcome.champion, **files, "store": store.display_root},
        leaderboard=page.leaderboard if page else (),
        decisions=page.decisions if page else (),
        picture=page.picture.uri if page and page.picture else None,
        page=outcome.page,
        champion_version=version,
        cached=outcome.cached,
        dry_run=outcome.dry_run,
    )
