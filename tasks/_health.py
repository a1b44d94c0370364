"""Data health on the morning page: what became of the rows, what the contract says of them, what changed in it."""

import pandas as pd

from models.calendar import is_calendar_step
from models.panel import View
from tasks import _figures, _morning
from tasks._step import Failure
from tasks._story import Story
from tasks.revisions import Revised

STATES: dict[str, _morning.Verdict] = {"breaking": "watch", "unclear": "watch", "compatible": "good"}
MOST_FINDINGS = 20  # on the page; the manifest has them all


def health_of(story: Story, cutoff: pd.Timestamp, view: View) -> tuple[_morning.Health, ...]:
    """One line a figure, then one a change of the contract and one a finding."""
    zone, dates = view.zone, is_calendar_step(view.freq)
    health = story.validated.health
    stale = pd.Timestamp(story.night.as_of) - cutoff
    rejected: _morning.Verdict = "watch" if health.quarantined else "good"
    counts = (("ended", health.ended), ("set aside", health.set_aside))
    gone = [f"{len(names)} {word}" for word, names in counts if names]
    return (
        _morning.Health(
            "Rows read",
            _figures.count(health.read),
            f"{_figures.count(health.known_ahead)} more are known ahead of time",
        ),
        _morning.Health("Rows used", _figures.count(health.used), "read = used + in quarantine", "good"),
        _morning.Health("Rows in quarantine", _figures.count(health.quarantined), "", rejected),
        _morning.Health("Series", _figures.count(health.series), ", ".join(gone)),
        *_revised(story.revised),
        _morning.Health("Gaps", _figures.count(health.gaps), "steps without an observation, masked for the models"),
        _morning.Health(
            "Last observation",
            _figures.when(cutoff, "UTC" if dates else zone, dates),
            f"{_figures.duration(stale.total_seconds())} before the as-of",
        ),
        *(
            _morning.Health("Contract changed", f"{one.where}: {one.what}", one.effect, STATES[one.effect])
            for one in story.rewritten[:MOST_FINDINGS]
        ),
        *(_morning.Health("Finding", finding, "", "watch") for finding in story.validated.findings[:MOST_FINDINGS]),
    )


def _revised(revised: Revised | Failure | None) -> tuple[_morning.Health, ...]:
    """What the source says otherwise than the night before; nothing where it says the same."""
    if not isinstance(revised, Revised) or revised.table is None:
        return ()
    state: _morning.Verdict = "watch" if revised.rewritten or revised.gone else "good"
    told = f"since the night before, all in {revised.table.uri}; the first: {revised.first}"
    return (_morning.Health("Past values", revised.sentence, told, state),)
