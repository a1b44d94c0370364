"""What every health check receives and returns."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings

FindingState = Literal["good", "watch", "bad"]
MAX_CLOCK_SKEW = 60.0  # seconds between two clocks that nobody minds


class Finding(NamedTuple):
    """One thing that was looked at; `step` is what to do next where it is not good."""

    part: str
    state: FindingState
    told: str
    step: str = ""


class CheckContext(NamedTuple):
    """What is looked at: pipelines by the words that name them, where, from what age on a forecast is too old, when."""

    named: dict[str, PipelineSpec]
    settings: Settings
    max_age: timedelta
    now: datetime

    @property
    def pipelines(self) -> tuple[PipelineSpec, ...]:
        return tuple(self.named.values())

    def word(self, spec: PipelineSpec) -> str:
        """What to call a pipeline on the command line: the name or the path by which it was found."""
        return next(word for word, one in self.named.items() if one is spec)
