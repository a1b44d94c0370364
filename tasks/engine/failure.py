"""A step that failed without stopping the run."""

from data_contracts.spec import Spec


class StepFailure(Spec):
    """A step that failed without stopping the night. The page reports it, and the other steps run."""

    step: str
    reason: str
