"""The manifest of a run that ended with results; `tasks/results/manifest.py` reads its keys back."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from flows.pipeline.spec import PipelineSpec
from flows.runs.outcome import Outcome
from tasks.engine.failure import StepFailure
from tasks.engine.run_log import Entry
from tasks.modeling.golden_replay import GoldenReplay
from tasks.registry.champion_repair import ChampionGuard
from tasks.report.assemble import versions
from tasks.results.run import RunResults
from tasks.results.steps import ReportResult

PAGE_ONLY_FIELDS: Any = {  # left out of the manifest: large, and shown on the page
    "trained": {"__all__": {"memory": {"forecast", "recurrence", "recall", "gates"}}},
    "pictured": {"references"},
}


class RunFacts(NamedTuple):
    """What a run knows besides the results of its steps."""

    spec: PipelineSpec
    started: datetime
    token: int
    entries: list[Entry]
    guard: ChampionGuard | None


def build_record(
    run: RunFacts, results: RunResults, reported: ReportResult | StepFailure, outcome: Outcome
) -> dict[str, Any]:
    """Return the manifest of a run as JSON values."""
    replay = replayed_champion(run, results)
    return {
        **outcome.model_dump(mode="json", exclude={"cached", "dry_run"}),
        "outcome": "degraded" if results.forecasted and results.forecasted.is_degraded else "done",
        "token": run.token,
        "started": run.started.isoformat(),
        "finished": datetime.now(UTC).isoformat(),
        "cutoff": results.validated.cutoff.isoformat(),
        "spec": run.spec.model_dump(mode="json"),
        "story": results.model_dump(mode="json", exclude=PAGE_ONLY_FIELDS),
        "leaderboard": list(reported.leaderboard) if isinstance(reported, ReportResult) else [],
        "failures": [failure.model_dump() for failure in results.failures],
        "steps": [entry.model_dump() for entry in run.entries],
        "replayed": replay.model_dump() if replay else None,
        "versions": dict(versions()),
    }


def replayed_champion(run: RunFacts, results: RunResults) -> GoldenReplay | None:
    """Return the replay of the champion by this run: when it began, or before it forecast; None if it did neither."""
    champion, guard = results.champion, run.guard
    if champion is None or guard is None or guard.fault:
        return None
    digests, forecasted = {guard.replayed}, results.forecasted
    has_run = any(entry.step == "forecast" and entry.outcome == "ran" for entry in run.entries)
    if forecasted and has_run and not forecasted.kept:
        digests.add(forecasted.rung.candidate.bundle.digest)
    digest = champion.bundle.digest
    return GoldenReplay(bundle=digest, conditions=guard.conditions) if digest in digests else None
