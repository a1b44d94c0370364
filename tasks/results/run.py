"""What one run did, told by its claim checks: the page and the manifest are both written from it."""

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from data_contracts.spec import Spec
from tasks.engine.failure import Failure
from tasks.modeling.candidate import Candidate
from tasks.results.steps import (
    Drifted,
    Evaluated,
    Forecasted,
    Night,
    Pictured,
    Realised,
    Registered,
    Revised,
    Standing,
    Trained,
    Validated,
)
from tasks.storage.vintages import Published


class Story(Spec):
    """One field a step; None where the flow has no such step, a Failure where it failed."""

    night: Night
    raw: Artifact
    validated: Validated
    revised: Revised | Failure | None = None
    windows: Artifact | None = None
    trained: tuple[Trained | Failure, ...] = ()
    pictured: Pictured | Failure | None = None
    evaluated: Evaluated | Failure | None = None
    incumbent: Candidate | None = None
    registered: Registered | Failure | None = None
    forecasted: Forecasted | None = None
    past: tuple[Published, ...] = ()
    realised: Realised | Failure | None = None
    drifted: Drifted | Failure | None = None
    rewritten: tuple[Change, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        steps = (
            self.revised,
            *self.trained,
            self.pictured,
            self.evaluated,
            self.registered,
            self.realised,
            self.drifted,
        )
        return tuple(one for one in steps if isinstance(one, Failure))

    @property
    def champion(self) -> Candidate | None:
        """Who is champion after this run."""
        return self.registered.champion if isinstance(self.registered, Registered) else self.incumbent


def challengers(trained: tuple[Trained | Failure, ...]) -> tuple[Trained, ...]:
    """The models that could be trained."""
    return tuple(one for one in trained if isinstance(one, Trained))


def rivals(trained: tuple[Trained | Failure, ...], incumbent: Candidate | None) -> tuple[Candidate, ...]:
    """Who competes beside the baselines; a challenger with the very weights of the champion is the champion."""
    new = tuple(one.candidate for one in challengers(trained))
    if incumbent is None:
        return new
    return (incumbent, *(one for one in new if one.bundle.digest != incumbent.bundle.digest))


def illustrated(trained: tuple[Trained, ...], pictured: Pictured | Failure) -> tuple[Trained, ...]:
    """The models with their drawings; without them where there are none."""
    if isinstance(pictured, Failure):
        return trained
    found = pictured.drawings
    return tuple(one.model_copy(update={"drawings": found.get(one.candidate.bundle.digest, {})}) for one in trained)


def standing(
    registered: Registered | Failure | None,
    incumbent: Candidate | None,
    formers: tuple[Candidate, ...],
    evaluated: Evaluated | Failure | None = None,
) -> Standing:
    """Where there was no gate, or it failed, the champion of the night before stays."""
    champion = registered.champion if isinstance(registered, Registered) else incumbent
    judged = evaluated if isinstance(evaluated, Evaluated) else None
    return Standing(champion=champion, formers=formers, evaluated=judged)
