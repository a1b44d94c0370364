"""Data health on the morning page: what became of the rows, what the contract says of them, what changed in it."""

import pandas as pd

from models.data.calendar import is_calendar_step
from models.data.panel import InputSpec
from tasks.charts import formatting
from tasks.engine.failure import StepFailure
from tasks.report import page_data
from tasks.results import steps
from tasks.results.run import RunResults
from tasks.results.steps import RevisionsResult

STATES: dict[str, steps.Verdict] = {"breaking": "watch", "unclear": "watch", "compatible": "good"}
MOST_FINDINGS = 20  # on the page; the manifest has them all


def health_rows(story: RunResults, cutoff: pd.Timestamp, view: InputSpec) -> tuple[page_data.HealthRow, ...]:
    """One line a figure, then one a change of the contract and one a finding."""
    zone, dates = view.zone, is_calendar_step(view.freq)
    health = story.validated.health
    stale = pd.Timestamp(story.night.as_of) - cutoff
    rejected: steps.Verdict = "watch" if health.quarantined else "good"
    counts = (("ended", health.ended), ("set aside", health.set_aside))
    gone = [f"{len(names)} {word}" for word, names in counts if names]
    return (
        page_data.HealthRow(
            "Rows read",
            formatting.count(health.read),
            f"{formatting.count(health.known_ahead)} more are known ahead of time",
        ),
        page_data.HealthRow("Rows used", formatting.count(health.used), "read = used + in quarantine", "good"),
        page_data.HealthRow("Rows in quarantine", formatting.count(health.quarantined), "", rejected),
        page_data.HealthRow("Series", formatting.count(health.series), ", ".join(gone)),
        *_revised(story.revised),
        page_data.HealthRow(
            "Gaps", formatting.count(health.gaps), "steps without an observation, masked for the models"
        ),
        page_data.HealthRow(
            "Last observation",
            formatting.when(cutoff, "UTC" if dates else zone, dates),
            f"{formatting.duration(stale.total_seconds())} before the as-of",
        ),
        *(
            page_data.HealthRow("Contract changed", f"{one.where}: {one.what}", one.effect, STATES[one.effect])
            for one in story.rewritten[:MOST_FINDINGS]
        ),
        *(page_data.HealthRow("Finding", finding, "", "watch") for finding in story.validated.findings[:MOST_FINDINGS]),
    )


def _revised(revised: RevisionsResult | StepFailure | None) -> tuple[page_data.HealthRow, ...]:
    """What the source says otherwise than the night before; nothing where it says the same."""
    if not isinstance(revised, RevisionsResult) or revised.table is None:
        return ()
    state: steps.Verdict = "watch" if revised.rewritten or revised.gone else "good"
    told = f"since the night before, all in {revised.table.uri}; the first: {revised.first}"
    return (page_data.HealthRow("Past values", revised.sentence, told, state),)
