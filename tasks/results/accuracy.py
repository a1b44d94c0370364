"""Input and result of the step `score_past`: what it scores, the published tables, and what they were computed from."""

from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.engine.failure import StepFailure
from tasks.results.steps import RevisionsResult, RunContext
from tasks.storage.vintages import Published


class ForecastsToScore(Spec):
    """The clean table of a night, the forecasts of earlier nights, and what has changed since the night before."""

    context: RunContext
    clean: Artifact
    past: tuple[Published, ...]
    revised: RevisionsResult | StepFailure | None = None


class ScoringBasis(Spec):
    """What the scores of a night depend on. A later night keeps those for which nothing of it has changed.

    `until` is the newest known observation; `forecasts` are digests by as-of, and `published` those of earlier actuals
    and scores, and of this night's, by path.
    """

    clean: str
    until: datetime
    season: int
    code: str
    forecasts: dict[str, str]
    published: dict[str, str]


class AccuracyResult(Spec):
    """Result of `score_past`: the published actuals and errors of earlier vintages; None if none is new.

    `scores` are all errors of earlier vintages, whether new or not; None until actuals have arrived.
    """

    actuals: Artifact | None = None
    accuracy: Artifact | None = None
    scores: Artifact | None = None
    basis: ScoringBasis | None = None
    summary: str = "no earlier forecast to score"

    @property
    def sentence(self) -> str:
        """Scores of the newest vintage that has actuals, for the run log."""
        return self.summary
