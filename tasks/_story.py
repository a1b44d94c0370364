"""What one run did, told by its claim checks: the page and the manifest are both written from it."""

from data_contracts.artifact import Artifact
from data_contracts.changes import Change
from data_contracts.spec import Spec
from tasks._candidate import Candidate
from tasks._publish import Published
from tasks._step import Failure
from tasks.accuracy import Realised
from tasks.drift import Drifted
from tasks.evaluation import Evaluated
from tasks.forecasting import Forecasted
from tasks.memory import Pictured
from tasks.registration import Night, Registered
from tasks.revisions import Revised
from tasks.training import Trained
from tasks.validation import Validated


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
