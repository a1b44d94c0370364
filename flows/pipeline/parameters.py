"""What a run may be told, as the form of the Prefect UI shows it: typed, bounded, a sentence a field.

In Python a pipeline is also a spec or the path of a YAML, and an as-of any time that pandas reads; the form offers the
names that are known where the deployment is made, and a date-time.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, PositiveInt, ValidationError
from pydantic_core import CoreSchema

from data_contracts.errors import SpecError
from data_contracts.spec import Spec
from flows.pipeline.files import list_pipelines
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.networks.recurrent import RecurrentSpec

DAY = r"^\d{4}-\d\d-\d\d"  # the API takes a format for a hint, and a pattern for a rule


class _Names:
    """Shown as a choice of the pipelines that there are."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(list_pipelines(Settings().pipelines))}


class _Moment:
    """Shown as a date-time that may be left empty."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        moment = {"type": "string", "format": "date-time", "pattern": rf"{DAY}([T ]\d\d:\d\d.*)?$"}
        return {"anyOf": [moment, {"type": "null"}]}


class _Date:
    """Shown as a date that may be left empty."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": "date", "pattern": rf"{DAY}$"}, {"type": "null"}]}


def _told(title: str, description: str) -> Any:
    """Prefect titles a field with the name of the argument; this says it better."""
    return Field(json_schema_extra={"title": title, "description": description})


Pipeline = Annotated[
    PipelineSpec | str, _Names(), _told("Pipeline", "Which pipeline: its source, models and schedule are in its YAML.")
]
AsOf = Annotated[
    str | datetime | None,
    _Moment(),
    _told("As of", "The instant up to which anything is known. Empty: the scheduled time of the run, else now."),
]
Day = Annotated[
    str | date | None,
    _Date(),
    _told("Day", "First or last day, in the schedule's zone. Empty: after the newest vintage; up to now."),
]
DryRun = Annotated[
    bool,
    _told(
        "Dry run",
        "Do everything, but publish, promote and register nothing: what it would have left lies under dry-runs/.",
    ),
]


class NetworkForm(Spec):
    """One recurrent network to train; what is not said here is as everywhere."""

    cell: Literal["lstm", "gru", "rnn"] = Field("lstm", title="Cell", description="The recurrent unit.")
    hidden: int = Field(64, title="Hidden size", ge=1, le=2048, description="Units of a layer.")
    layers: int = Field(1, title="Layers", ge=1, le=8, description="Stacked one on the other.")
    segment: PositiveInt | None = Field(
        None, title="Segment", description="Steps read at a time; empty: a day where the lookback holds several."
    )
    bidirectional: bool = Field(False, title="Bidirectional", description="Reads the lookback in both directions.")
    attention: bool = Field(False, title="Attention", description="Weighs all steps of the lookback, not the last.")

    @property
    def spec(self) -> RecurrentSpec:
        told = self.model_dump(exclude={"attention"})
        return RecurrentSpec(**told, readout="attention" if self.attention else "last")


class OverridesForm(Spec):
    """What is otherwise than in the YAML, for this run alone; left empty, all is as the YAML says."""

    models: tuple[NetworkForm, ...] | None = Field(
        None, title="Models", min_length=1, max_length=8, description="Networks to train instead of the pipeline's."
    )
    max_epochs: int | None = Field(
        None, title="Epochs at most", ge=1, le=1000, description="The training budget of each network."
    )
    windows_per_epoch: int | None = Field(
        None, title="Windows an epoch", ge=32, le=10_000_000, description="Training windows drawn in each epoch."
    )
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = Field(
        None,
        title="Quantiles",
        min_length=1,
        max_length=99,
        description="Levels between 0 and 1; the median is always there.",
    )

    def applied_to(self, spec: PipelineSpec) -> PipelineSpec:
        """The spec of this run. Raises SpecError where the pipeline can't be run so."""
        budget = {"max_epochs": self.max_epochs, "windows_per_epoch": self.windows_per_epoch}
        said = {name: value for name, value in budget.items() if value is not None}
        changes: dict[str, Any] = {"training": spec.training.model_copy(update=said)}
        if self.models:
            changes["models"] = tuple(one.spec for one in self.models)
        if self.quantiles:
            changes["forecast"] = spec.forecast.model_dump() | {"quantiles": self.quantiles}
        try:
            return PipelineSpec.model_validate(dict(spec) | changes)
        except ValidationError as wrong:
            told = "; ".join(error["msg"].removeprefix("Value error, ") for error in wrong.errors())
            raise SpecError(f"the overrides of this run do not fit pipeline {spec.name!r}: {told}.") from wrong


NO_OVERRIDES = OverridesForm()
RunOverrides = Annotated[OverridesForm, _told("Overrides", "What is otherwise than in the YAML, for this run alone.")]


def backfill_name() -> str:
    """Pipeline and days."""
    from prefect.runtime import flow_run

    told = flow_run.parameters
    pipeline = told.get("pipeline")
    name = pipeline.name if isinstance(pipeline, PipelineSpec) else str(pipeline)
    return f"{name} from {told.get('start') or 'the newest'} to {told.get('end') or 'now'}"[:120]


def run_name() -> str:
    """Pipeline and night, as the list of runs shows them; read from what Prefect knows of the run."""
    from prefect.runtime import flow_run

    told = flow_run.parameters
    pipeline = told.get("pipeline")
    try:
        spec = PipelineSpec.read(pipeline or "", Settings().pipelines)
        moment = spec.parse_as_of(told.get("as_of") or spec.schedule.as_of or flow_run.scheduled_start_time)
    except SpecError:
        return f"{pipeline}"[:80]
    night = moment.astimezone(spec.schedule.zone)
    return f"{spec.name} {night:%Y-%m-%d %H:%M}{' dry run' if told.get('dry_run') else ''}"
