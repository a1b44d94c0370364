"""The types that every health check receives and returns."""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings

FindingState = Literal["good", "watch", "bad"]
MAX_CLOCK_SKEW_S = 60.0  # between two clocks that count as equal


class Finding(NamedTuple):
    """The result of one check; `step` is what to do next if the state is not good."""

    part: str
    state: FindingState
    message: str
    step: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding with the keys of `nightcast doctor --json`."""
        return {"part": self.part, "state": self.state, "told": self.message, "step": self.step}


class CheckContext(NamedTuple):
    """What to check: pipelines by the argument that selected them, settings, the maximum age of forecasts, the time."""

    selected: dict[str, PipelineSpec]
    settings: Settings
    max_age: timedelta
    now: datetime

    @property
    def pipelines(self) -> tuple[PipelineSpec, ...]:
        """The pipelines to check."""
        return tuple(self.selected.values())

    def argument_for(self, spec: PipelineSpec) -> str:
        """Return how to name a pipeline on the command line: the name or path that selected it."""
        return next(argument for argument, selected in self.selected.items() if selected is spec)
