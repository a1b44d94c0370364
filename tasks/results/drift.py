"""Input of the step `watch_drift`: the clean table, the newest forecasts, and the errors of earlier ones."""

from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.results.anomalies import AnomaliesResult
from tasks.results.forecast import ForecastResult
from tasks.results.steps import RunContext
from tasks.storage.vintages import Published


class DriftSources(Spec):
    """What `watch_drift` compares.

    `cutoff` is the last observation that is known, `past` the forecasts of earlier nights, oldest first, `forecasted`
    the one of this night, if it makes one, and `anomalies` the errors of the newest actuals. `champion` is the model
    that may have been trained on a change.
    """

    context: RunContext
    clean: Artifact
    cutoff: datetime
    past: tuple[Published, ...] = ()
    forecasted: ForecastResult | None = None
    anomalies: AnomaliesResult | StepFailure | None = None
    champion: Candidate | None = None

    @property
    def forecasts(self) -> tuple[Artifact, ...]:
        """The published forecasts, the oldest first."""
        tonight = (self.forecasted.published,) if self.forecasted else ()
        return (*(night.file for night in self.past), *tonight)

    @property
    def new_errors(self) -> Artifact | None:
        """The published errors of this night; None if no new actual has a forecast, or the step failed."""
        return self.anomalies.table if isinstance(self.anomalies, AnomaliesResult) else None
