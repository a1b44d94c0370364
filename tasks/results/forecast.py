"""Input and result of the step `forecast`: the models that may forecast, and the table that was published."""

from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate
from tasks.modeling.series import ExtremeValue, SeriesFallback
from tasks.results.evaluation import EvaluationResult
from tasks.storage.vintages import Published


class Fallback(Spec):
    """A model that may forecast, and, unless it is the champion, why it has to."""

    candidate: Candidate
    degraded_reason: str | None = None


class ForecastOptions(Spec):
    """Input of `forecast`: the champion, the former champions (latest first), and this night's evaluation, if any.

    `fallback` is the baseline that forecasts in place of the champion, if it is significantly better. `no_champion` is
    the reason for a missing champion, if it is another than that no model has won yet.
    """

    champion: Candidate | None
    formers: tuple[Candidate, ...] = ()
    evaluated: EvaluationResult | None = None
    fallback: Fallback | None = None
    newest: Published | None = None
    """The newest earlier vintage, which is moved on for series that no model can forecast."""
    no_champion: str | None = None
    extreme: tuple[ExtremeValue, ...] = ()
    champion_fault: str = ""
    """Why the champion cannot be read: a part of the cache key, so that a restored champion forecasts again."""

    def after(self, past: tuple[Published, ...]) -> "ForecastOptions":
        """Return these options with the newest of the earlier vintages, which are sorted by as-of."""
        return self.model_copy(update={"newest": past[-1] if past else None})


class ForecastResult(Spec):
    """Result of `forecast`: the stored table, the published file, and the model that made them."""

    table: Artifact
    published: Artifact
    rung: Fallback
    last: datetime
    over: datetime | None = None
    """When the period of `last` ends."""
    series: int
    left_out: tuple[str, ...] = ()
    fallbacks: tuple[SeriesFallback, ...] = ()
    """Series that another model than `rung` forecast."""
    not_finite: tuple[str, ...] = ()
    """Series for which no model gives a finite forecast."""
    recalibration: Artifact | None = None
    """Factors on the intervals of the model `rung`, by series and step, and what newest errors add to its shares."""
    share_changes: tuple[float, ...] = ()
    """Added to the shares of linear map, last value and seasonal median in its medians, the mean over the series."""
    kept: bool = False
    """Whether an earlier run of this night had published, and its vintage stays because the champion is damaged."""

    @property
    def is_degraded(self) -> bool:
        """Whether another model than the champion forecast some or all series."""
        return bool(self.rung.degraded_reason or self.fallbacks or self.not_finite)

    @property
    def sentence(self) -> str:
        """Rows, model and the reason of a fallback, for the run log."""
        summary = f"{self.table.rows:,} rows by {self.rung.candidate.label}"
        count = sum(len(fallback.series) for fallback in self.fallbacks)
        summary += f", {count} series by a fallback" if count else ""
        return f"{summary} ({self.rung.degraded_reason})" if self.rung.degraded_reason else summary
