"""The verdict of a run and its three lines."""

from collections.abc import Collection

from models.diagnostics.effective_memory import explain_short_memory
from tasks.results import steps
from tasks.results.run import RunResults, trained_challengers
from tasks.results.steps import AccuracyResult, DriftResult, RegistrationResult


def verdict(story: RunResults) -> tuple[steps.Verdict, tuple[str, ...]]:
    """(state, the three lines): what was published, how good it is, what to look at."""
    worries = [f"{one.step} failed: {one.reason}" for one in story.failures]
    if story.forecasted and story.forecasted.rung.degraded_reason:
        worries.append(f"the champion did not forecast: {story.forecasted.rung.degraded_reason}")
    if isinstance(story.drifted, DriftResult) and story.drifted.drifted:
        worries.append(f"drift: {story.drifted.summary}")
    worries += [
        f"{one.candidate.name}: {explain_short_memory(one.memory)}"
        for one in trained_challengers(story.trained)
        if one.memory and not one.memory.sees_a_season
    ]
    if story.forecasted and story.forecasted.last < story.night.as_of:
        worries.append(
            f"the source is stale: its newest observation is of {story.validated.cutoff:%Y-%m-%d %H:%M} UTC, "
            "and every time that was forecast has passed"
        )
    if story.validated.health.quarantined:
        worries.append(f"{story.validated.health.quarantined:,} rows lie in quarantine")
    if aside := story.validated.health.set_aside:
        worries.append(f"{len(aside)} series broke a rule, are set aside and were not forecast: {_some(aside)}")
    if broken := sum(change.effect == "breaking" for change in story.rewritten):
        worries.append(f"the contract changed since the last night, {broken} time{'s' if broken > 1 else ''} breaking")
    if found := len(story.validated.findings):
        worries.append(f"{found} finding{'s' if found > 1 else ''} in the data, told under data health")
    silent = {*story.validated.health.ended, *(story.forecasted.left_out if story.forecasted else ())}
    if silent:
        worries.append(f"{len(silent)} series ended or lack covariates ahead, and were not forecast: {_some(silent)}")
    worry = "Look at: " + "; ".join(worries) + "." if worries else "Nothing to worry about."
    state: steps.Verdict = "watch" if worries else "good"
    return state, (_published_line(story), _quality_line(story), worry)


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "")


def _published_line(story: RunResults) -> str:
    if story.forecasted is None:
        return f"No forecast was due in this run; data are known up to {story.validated.cutoff:%Y-%m-%d %H:%M} UTC."
    rung = story.forecasted.rung.candidate
    who = f"champion {rung.label}" if rung.role == "champion" else f"baseline {rung.label}, standing in"
    return f"{story.forecasted.table.rows:,} forecasts for {story.forecasted.series} series, by {who}."


def _quality_line(story: RunResults) -> str:
    told = []
    if isinstance(story.registered, RegistrationResult):
        told.append(f"{'New champion' if story.registered.moved else 'No promotion'}: {story.registered.reason}.")
    if isinstance(story.realised, AccuracyResult) and story.realised.accuracy:
        told.append(f"{story.realised.summary[0].upper()}{story.realised.summary[1:]}.")
    return " ".join(told) or "No model was judged in this run."
