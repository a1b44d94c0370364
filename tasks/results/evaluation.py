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
    summary: str = ""

    @property
    def excluded_challengers(self) -> tuple[str, ...]:
        """Labels of the challengers that were not compared."""
        return tuple(model.candidate.label for model in self.excluded if model.candidate.role == "challenger")

    @property
    def sentence(self) -> str:
        """The three best candidates, for the run log."""
        return self.summary
