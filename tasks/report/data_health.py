"""Data health on the morning page: what became of the rows, what the contract says of them, what changed in it."""

import pandas as pd

from models.data.calendar import is_calendar_step
from models.data.panel import View
from tasks.charts import formatting
from tasks.engine.failure import Failure
from tasks.report import page_data
from tasks.results import steps
from tasks.results.run import Story
from tasks.results.steps import Revised

STATES: dict[str, steps.Verdict] = {"breaking": "watch", "unclear": "watch", "compatible": "good"}
MOST_FINDINGS = 20  # on the page; the manifest has them all


def health_of(story: Story, cutoff: pd.Timestamp, view: View) -> tuple[page_data.Health, ...]:
    """One line a figure, then one a change of the contract and one a finding."""
    zone, dates = view.zone, is_calendar_step(view.freq)
    health = story.validated.health
    stale = pd.Timestamp(story.night.as_of) - cutoff
    rejected: steps.Verdict = "watch" if health.quarantined else "good"
    counts = (("ended", health.ended), ("set aside", health.set_aside))
    gone = [f"{len(names)} {word}" for word, names in counts if names]
    return (
        page_data.Health(
            "Rows read",
            formatting.count(health.read),
            f"{formatting.count(health.known_ahead)} more are known ahead of time",
        ),
        page_data.Health("Rows used", formatting.count(health.used), "read = used + in quarantine", "good"),
        page_data.Health("Rows in quarantine", formatting.count(health.quarantined), "", rejected),
        page_data.Health("Series", formatting.count(health.series), ", ".join(gone)),
        *_revised(story.revised),
        page_data.Health("Gaps", formatting.count(health.gaps), "steps without an observation, masked for the models"),
        page_data.Health(
            "Last observation",
            formatting.when(cutoff, "UTC" if dates else zone, dates),
            f"{formatting.duration(stale.total_seconds())} before the as-of",
        ),
        *(
            page_data.Health("Contract changed", f"{one.where}: {one.what}", one.effect, STATES[one.effect])
            for one in story.rewritten[:MOST_FINDINGS]
        ),
        *(page_data.Health("Finding", finding, "", "watch") for finding in story.validated.findings[:MOST_FINDINGS]),
    )


def _revised(revised: Revised | Failure | None) -> tuple[page_data.Health, ...]:
    """What the source says otherwise than the night before; nothing where it says the same."""
    if not isinstance(revised, Revised) or revised.table is None:
        return ()
    state: steps.Verdict = "watch" if revised.rewritten or revised.gone else "good"
    told = f"since the night before, all in {revised.table.uri}; the first: {revised.first}"
    return (page_data.Health("Past values", revised.sentence, told, state),)
