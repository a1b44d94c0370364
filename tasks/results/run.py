"""What one run did, told by its claim checks: the page and the manifest are both written from it."""

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from data_contracts.spec import Spec
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.results.steps import (
    AccuracyResult,
    DriftResult,
    EvaluationResult,
    ForecastOptions,
    ForecastResult,
    MemoryDrawings,
    RegistrationResult,
    RevisionsResult,
    RunContext,
    TrainingResult,
    ValidatedTable,
)
from tasks.storage.vintages import Published


class RunResults(Spec):
    """One field a step; None where the flow has no such step, a Failure where it failed."""

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
    past: tuple[Published, ...] = ()
    realised: AccuracyResult | StepFailure | None = None
    drifted: DriftResult | StepFailure | None = None
    rewritten: tuple[Change, ...] = ()

    @property
    def failures(self) -> tuple[StepFailure, ...]:
        steps = (
            self.revised,
            *self.trained,
            self.pictured,
            self.evaluated,
            self.registered,
            self.realised,
            self.drifted,
        )
        return tuple(one for one in steps if isinstance(one, StepFailure))

    @property
    def champion(self) -> Candidate | None:
        """Who is champion after this run."""
        return self.registered.champion if isinstance(self.registered, RegistrationResult) else self.incumbent


def trained_challengers(trained: tuple[TrainingResult | StepFailure, ...]) -> tuple[TrainingResult, ...]:
    """The models that could be trained."""
    return tuple(one for one in trained if isinstance(one, TrainingResult))


def competing_candidates(
    trained: tuple[TrainingResult | StepFailure, ...], incumbent: Candidate | None
) -> tuple[Candidate, ...]:
    """Who competes beside the baselines; a challenger with the very weights of the champion is the champion."""
    new = tuple(one.candidate for one in trained_challengers(trained))
    if incumbent is None:
        return new
    return (incumbent, *(one for one in new if one.bundle.digest != incumbent.bundle.digest))


def with_drawings(
    trained: tuple[TrainingResult, ...], pictured: MemoryDrawings | StepFailure
) -> tuple[TrainingResult, ...]:
    """The models with their drawings; without them where there are none."""
    if isinstance(pictured, StepFailure):
        return trained
    found = pictured.drawings
    return tuple(one.model_copy(update={"drawings": found.get(one.candidate.bundle.digest, {})}) for one in trained)


def forecast_options(
    registered: RegistrationResult | StepFailure | None,
    incumbent: Candidate | None,
    formers: tuple[Candidate, ...],
    evaluated: EvaluationResult | StepFailure | None = None,
) -> ForecastOptions:
    """Where there was no gate, or it failed, the champion of the night before stays."""
    champion = registered.champion if isinstance(registered, RegistrationResult) else incumbent
    judged = evaluated if isinstance(evaluated, EvaluationResult) else None
    return ForecastOptions(champion=champion, formers=formers, evaluated=judged)
