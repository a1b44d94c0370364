"""Input and result of the step `find_anomalies`: what it compares, and the actuals that differ from their forecasts."""

from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.results.evaluation import EvaluationResult
from tasks.results.steps import RunContext
from tasks.storage.vintages import Published


class ErrorSources(Spec):
    """Where `find_anomalies` takes errors from: the clean table, earlier forecasts, the evaluation of this night.

    `champion` is the model whose errors are published for real-time scores. Without an evaluation, that of the newest
    earlier night counts.
    """

    context: RunContext
    clean: Artifact
    past: tuple[Published, ...]
    champion: Candidate | None
    evaluated: EvaluationResult | StepFailure | None = None


class Anomaly(Spec):
    """One actual that differs too much from its forecast. `p_value` is that of its series."""

    series: str
    ds: datetime
    y: float
    y_hat: float
    p_value: float


class AnomaliesResult(Spec):
    """Result of `find_anomalies`: the published table, the sample of errors, and what is anomalous, the worst first.

    `table` is None if no new actual had a forecast. `size` is the number of earlier forecasts in the sample, and
    `needed` the number from which one anomalous series alone can raise an alarm.
    """

    table: Artifact | None = None
    errors: Artifact | None = None
    rate: float
    series: int = 0
    """Series that had new actuals."""
    flagged: int = 0
    """Series with an anomaly."""
    count: int = 0
    """Actuals that are anomalies."""
    size: int = 0
    needed: int = 0
    worst: tuple[Anomaly, ...] = ()

    @property
    def is_too_small(self) -> bool:
        """Whether the sample is so small that one anomalous series alone raises no alarm."""
        return self.size < self.needed

    @property
    def sentence(self) -> str:
        """Counts and the rate, for the run log."""
        if not self.series:
            return "no new actual has a forecast"
        counts = f"{self.count:,} anomalies in {self.flagged} of {self.series} series"
        counts = counts if self.count else f"none in {self.series} series"
        small = f"; {self.size:,} earlier forecasts are fewer than the {self.needed:,} that this rate needs"
        return f"{counts} at a rate of {self.rate:.3g}{small if self.is_too_small else ''}"
