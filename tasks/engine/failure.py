"""A step that failed without stopping the run."""

from data_contracts.spec import Spec


class StepFailure(Spec):
    """A step that failed without stopping the night: the page names it, and the rest goes on."""

    step: str
    reason: str
