"""Results of one run: the morning page and the manifest are written from them."""

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from data_contracts.spec import Spec
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.modeling.series import ExtremeValue, SeriesWithoutForecast
from tasks.results.accuracy import AccuracyResult
from tasks.results.anomalies import AnomaliesResult
from tasks.results.revision import RevisionParts
from tasks.results.steps import (
    DriftResult,
    EvaluationResult,
    ForecastOptions,
    ForecastResult,
    MemoryDrawings,
    RegistrationResult,
    RevisionsResult,
    RunContext,
    StatesResult,
    TrainingResult,
    ValidatedTable,
)
from tasks.storage.vintages import Published


class RunResults(Spec):
    """One field per step: None if the flow does not have the step, a StepFailure if the step failed.

    The names of the fields are keys of the manifest.
    """

    night: RunContext
    raw: Artifact
    validated: ValidatedTable
    revised: RevisionsResult | StepFailure | None = None
    windows: Artifact | None = None
    trained: tuple[TrainingResult | StepFailure, ...] = ()
    pictured: MemoryDrawings | StepFailure | None = None
    evaluated: EvaluationResult | StepFailure | None = None
    incumbent: Candidate | None = None
    registered: RegistrationResult | StepFailure | None = None
    forecasted: ForecastResult | None = None
    attributed: RevisionParts | StepFailure | None = None
    kept: StatesResult | StepFailure | None = None
    past: tuple[Published, ...] = ()
    realised: AccuracyResult | StepFailure | None = None
    anomalies: AnomaliesResult | StepFailure | None = None
    drifted: DriftResult | StepFailure | None = None
    rewritten: tuple[Change, ...] = ()
    without_forecast: tuple[SeriesWithoutForecast, ...] = ()
    by_hand: tuple[str, ...] = ()
    """Decisions of persons about the champion since the night before."""
    notices: tuple[str, ...] = ()
    """Faults of the store that the run met, each with what was done and what to do."""

    @property
    def failures(self) -> tuple[StepFailure, ...]:
        """The steps that failed without stopping the run, in the order of the night."""
        results = (
            self.revised,
            *self.trained,
            self.pictured,
            self.evaluated,
            self.registered,
            self.attributed,
            self.kept,
            self.realised,
            self.anomalies,
            self.drifted,
        )
        return tuple(result for result in results if isinstance(result, StepFailure))

    @property
    def champion(self) -> Candidate | None:
        """The champion after this run."""
        return self.registered.champion if isinstance(self.registered, RegistrationResult) else self.incumbent


def trained_challengers(trained: tuple[TrainingResult | StepFailure, ...]) -> tuple[TrainingResult, ...]:
    """Return the results of the trainings that did not fail."""
    return tuple(result for result in trained if isinstance(result, TrainingResult))


def competing_candidates(
    trained: tuple[TrainingResult | StepFailure, ...], incumbent: Candidate | None
) -> tuple[Candidate, ...]:
    """Return the champion and the challengers, which `evaluate` compares with the baselines.

    A challenger whose bundle has the same digest as the champion's is the champion, and is not listed twice.

    Returns:
        The champion first, if there is one, then the challengers.
    """
    challengers = tuple(result.candidate for result in trained_challengers(trained))
    if incumbent is None:
        return challengers
    return (incumbent, *(model for model in challengers if model.bundle.digest != incumbent.bundle.digest))


def with_drawings(
    trained: tuple[TrainingResult, ...], pictured: MemoryDrawings | StepFailure
) -> tuple[TrainingResult, ...]:
    """Return the training results with their drawings; unchanged if `draw_memory` failed."""
    if isinstance(pictured, StepFailure):
        return trained
    drawings = pictured.drawings
    return tuple(
        result.model_copy(update={"drawings": drawings.get(result.candidate.bundle.digest, {})}) for result in trained
    )


def forecast_options(
    registered: RegistrationResult | StepFailure | None,
    incumbent: Candidate | None,
    formers: tuple[Candidate, ...],
    evaluated: EvaluationResult | StepFailure | None = None,
    extreme: tuple[ExtremeValue, ...] = (),
    champion_fault: str = "",
) -> ForecastOptions:
    """Collect the models that may forecast. Without a promotion decision the champion of the night before stays."""
    champion = registered.champion if isinstance(registered, RegistrationResult) else incumbent
    evaluation = evaluated if isinstance(evaluated, EvaluationResult) else None
    failed = isinstance(registered, StepFailure) and champion is None
    reason = "no model could be registered, so none could become champion" if failed else None
    return ForecastOptions(
        champion=champion,
        formers=formers,
        evaluated=evaluation,
        fallback=registered.fallback if isinstance(registered, RegistrationResult) else None,
        no_champion=reason,
        extreme=extreme,
        champion_fault=champion_fault,
    )
