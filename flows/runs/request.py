"""What a run was asked to do: the arguments of a flow, read into a pipeline and an as-of."""

from datetime import datetime
from typing import NamedTuple

from flows.pipeline.parameters import NO_OVERRIDES, OverridesForm
from flows.pipeline.requested import read_requested
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings


class RunRequest(NamedTuple):
    """The arguments of a flow."""

    pipeline: PipelineSpec | str
    as_of: str | datetime | None
    overrides: OverridesForm = NO_OVERRIDES
    dry_run: bool = False
    force: bool = False

    @property
    def argument(self) -> str:
        """The pipeline as the command line names it."""
        return self.pipeline if isinstance(self.pipeline, str) else self.pipeline.name

    def read_spec(self, settings: Settings) -> PipelineSpec:
        """Return the pipeline with the overrides of this run."""
        return self.overrides.applied_to(read_requested(self.pipeline, settings.pipelines))

    def parse_as_of(self, spec: PipelineSpec, scheduled: datetime | None) -> datetime:
        """Return the as-of in UTC: the given one, else that of the schedule, else the scheduled time, else now."""
        return spec.parse_as_of(self.as_of or spec.schedule.as_of or scheduled)
