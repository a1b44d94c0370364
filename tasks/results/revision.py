"""Input and result of the step `attribute_revision`: an earlier forecast, and why tonight's differs from it."""

from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate
from tasks.results.steps import ForecastResult, ValidatedTable


class ForecastNight(Spec):
    """What one night has forecast, with which model, and from what."""

    table: Artifact
    clean: Artifact
    cutoff: datetime
    model: Candidate
    recalibration: Artifact | None = None


def forecast_night(forecasted: ForecastResult, validated: ValidatedTable) -> ForecastNight:
    """Return what a night has forecast, from the results of its steps."""
    return ForecastNight(
        table=forecasted.table,
        clean=validated.clean,
        cutoff=validated.cutoff,
        model=forecasted.rung.candidate,
        recalibration=forecasted.recalibration,
    )


class RevisionParts(Spec):
    """Result of `attribute_revision`: how far the forecast moved at the times that both nights forecast, and why.

    `table` is None if no time is in both, or if `obstacle` says why the revision has no parts. `size` is the mean of
    |tonight - the night before|, and the others are the means of the absolute parts, in the units of the source: single
    parts can cancel, so they add up to `size` or more.
    """

    table: Artifact | None = None
    times: int = 0
    """Series and times that both nights forecast, of the series that are compared."""
    size: float = 0.0
    new_actuals: float = 0.0
    revised_history: float = 0.0
    covariates: float = 0.0
    model: float = 0.0
    largest: str = ""
    """The series, the time and both forecasts of the largest revision."""
    obstacle: str = ""

    @property
    def sentence(self) -> str:
        """The mean revision and its parts, for the run log and the page."""
        if self.obstacle:
            return f"not split into causes: {self.obstacle}"
        if not self.times:
            return "no time is in both forecasts"
        parts = {
            "new actuals": self.new_actuals,
            "revised history": self.revised_history,
            "covariates": self.covariates,
            "model": self.model,
        }
        return f"{self.size:.4g} on average: " + ", ".join(f"{name} {part:.4g}" for name, part in parts.items())
