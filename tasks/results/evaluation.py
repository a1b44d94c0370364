"""Result of the step `evaluate`."""

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate, ExcludedCandidate


class EvaluationResult(Spec):
    """Result of `evaluate`: the backtest, its scores, the candidates compared, and why others were not."""

    backtest: Artifact
    scores: Artifact
    candidates: tuple[Candidate, ...]
    passed_over: tuple[str, ...] = ()
    excluded: tuple[ExcludedCandidate, ...] = ()
    lead: int = 1
    """Number of origins that one horizon covers; 1 if the errors of successive origins do not overlap."""
    series: int = 0
    """Number of series that were scored; 0 if an earlier release did not count them."""
    of_series: int = 0
    """Number of series that could have been scored."""
    summary: str = ""

    def with_role(self, role: str) -> tuple[Candidate, ...]:
        """Return the compared candidates of a role: champion, challenger or baseline."""
        return tuple(model for model in self.candidates if model.role == role)

    @property
    def lost_champion(self) -> Candidate | None:
        """The champion, if its bundle could not be read."""
        damaged = (model.candidate for model in self.excluded if model.cause == "damaged")
        return next((candidate for candidate in damaged if candidate.role == "champion"), None)

    @property
    def excluded_challengers(self) -> tuple[str, ...]:
        """Labels of the challengers that were not compared."""
        return tuple(model.candidate.label for model in self.excluded if model.candidate.role == "challenger")

    @property
    def sample(self) -> str:
        """How many of the series were scored, if not all were; else empty."""
        return f"{self.series:,} of {self.of_series:,} series" if self.series < self.of_series else ""

    @property
    def sentence(self) -> str:
        """The three best candidates, for the run log."""
        return self.summary
