"""Parameters of a run, typed and described as the form of the Prefect UI shows them.

In Python a pipeline is also a spec or the path of a YAML file, and an as-of any time that pandas parses. The form
offers the pipelines that are known where the deployment is made, and a date-time.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, PositiveInt, ValidationError
from pydantic_core import CoreSchema

from data_contracts.errors import SpecError
from data_contracts.spec import SettingsSpec
from flows.pipeline.files import list_pipelines
from flows.pipeline.requested import read_requested
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.networks.architecture import RecurrentSpec
from tasks.backtest.settings import BacktestSpec

DAY = r"^\d{4}-\d\d-\d\d"  # the API validates a pattern, but not a format


class _Names:
    """Shown as a choice among the known pipelines."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(list_pipelines(Settings().pipelines))}


class _Moment:
    """Shown as a date-time that may be left empty unless it is required."""

    def __init__(self, required: bool = False) -> None:
        self.required = required

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        timestamp = {"type": "string", "format": "date-time", "pattern": rf"{DAY}([T ]\d\d:\d\d.*)?$"}
        return timestamp if self.required else {"anyOf": [timestamp, {"type": "null"}]}


class _Date:
    """Shown as a date that may be left empty."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": "date", "pattern": rf"{DAY}$"}, {"type": "null"}]}


def _form_field(title: str, description: str) -> Any:
    """Give a parameter a title; Prefect would show the name of the argument."""
    return Field(json_schema_extra={"title": title, "description": description})


Pipeline = Annotated[
    PipelineSpec | str, _Names(), _form_field("Pipeline", "Its source, models and schedule are in its YAML file.")
]
AsOf = Annotated[
    str | datetime | None,
    _Moment(),
    _form_field(
        "As of",
        "The instant up to which anything is known. Empty: schedule.as_of of the YAML file, else the time of the run.",
    ),
]
FirstDay = Annotated[
    str | date | None,
    _Date(),
    _form_field("First day", "In the time zone of the schedule. Empty: the day after the newest vintage."),
]
LastDay = Annotated[
    str | date | None, _Date(), _form_field("Last day", "In the time zone of the schedule. Empty: up to now.")
]
BacktestStart = Annotated[
    str | date,
    _Moment(required=True),
    _form_field("First origin", "A date is its first moment in the schedule's zone."),
]
BacktestEnd = Annotated[
    str | date, _Moment(required=True), _form_field("Last origin", "A date is its last moment in the schedule's zone.")
]
BacktestOptions = Annotated[
    BacktestSpec, _form_field("Options", "Distance of origins, refits, models, and weights of series.")
]
DryRun = Annotated[
    bool,
    _form_field(
        "Dry run",
        "Run all steps, but publish, promote and register nothing. The results are under dry-runs/ in the store.",
    ),
]


Force = Annotated[
    bool,
    _form_field(
        "Force",
        "Run an as-of in the future, which latest/ and the alias do not follow, or publish a retracted one again.",
    ),
]


Version = Annotated[
    PositiveInt | None,
    _form_field("Version", "The version in MLflow that becomes champion. Empty: the version of the alias challenger."),
]
Reason = Annotated[str, _form_field("Reason", "Why; it is recorded with the decision.")]


class NetworkForm(SettingsSpec):
    """Override for one recurrent network. Fields left empty keep their defaults."""

    cell: Literal["lstm", "gru", "rnn"] = Field("lstm", title="Cell", description="The recurrent unit.")
    hidden: int = Field(64, title="Hidden size", ge=1, le=2048, description="Units of a layer.")
    layers: int = Field(1, title="Layers", ge=1, le=8, description="Number of stacked layers.")
    segment: PositiveInt | None = Field(
        None, title="Segment", description="Steps read at a time. Empty: one day, if the lookback is longer."
    )
    bidirectional: bool = Field(False, title="Bidirectional", description="Reads the lookback in both directions.")
    attention: bool = Field(
        False, title="Attention", description="Weighs all steps of the lookback instead of using the last one."
    )

    @property
    def spec(self) -> RecurrentSpec:
        """The settings of the network."""
        fields = self.model_dump(exclude={"attention"})
        return RecurrentSpec(**fields, readout="attention" if self.attention else "last")


class OverridesForm(SettingsSpec):
    """Overrides of the YAML file for one run. Fields left empty keep the value of the file."""

    models: tuple[NetworkForm, ...] | None = Field(
        None, title="Models", min_length=1, max_length=8, description="Networks to train instead of the pipeline's."
    )
    max_epochs: int | None = Field(
        None, title="Max epochs", ge=1, le=1000, description="The training budget of each network."
    )
    windows_per_epoch: int | None = Field(
        None, title="Windows per epoch", ge=32, le=10_000_000, description="Training windows drawn in each epoch."
    )
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = Field(
        None,
        title="Quantiles",
        min_length=1,
        max_length=99,
        description="Levels between 0 and 1; the median is always added.",
    )

    def applied_to(self, spec: PipelineSpec) -> PipelineSpec:
        """Return the spec of this run. Raises SpecError if the overrides do not fit the pipeline."""
        budget = {"max_epochs": self.max_epochs, "windows_per_epoch": self.windows_per_epoch}
        given = {name: value for name, value in budget.items() if value is not None}
        changes: dict[str, Any] = {"training": spec.training.model_copy(update=given)}
        if self.models:
            changes["models"] = tuple(network.spec for network in self.models)
        if self.quantiles:
            changes["forecast"] = spec.forecast.model_dump() | {"quantiles": self.quantiles}
        try:
            return PipelineSpec.model_validate(dict(spec) | changes)
        except ValidationError as invalid:
            reasons = "; ".join(error["msg"].removeprefix("Value error, ") for error in invalid.errors())
            raise SpecError(f"the overrides of this run do not fit pipeline {spec.name!r}: {reasons}.") from invalid


NO_OVERRIDES = OverridesForm()
RunOverrides = Annotated[OverridesForm, _form_field("Overrides", "Settings of the YAML file to override for this run.")]


def backfill_name() -> str:
    """Return the name of a backfill in the Prefect UI: pipeline and days."""
    from prefect.runtime import flow_run

    parameters = flow_run.parameters
    pipeline = parameters.get("pipeline")
    name = pipeline.name if isinstance(pipeline, PipelineSpec) else str(pipeline)
    return f"{name} from {parameters.get('start') or 'the newest'} to {parameters.get('end') or 'now'}"[:120]


def run_name() -> str:
    """Return the name of a run in the Prefect UI: pipeline and night, from the parameters that Prefect has."""
    from prefect.runtime import flow_run

    parameters = flow_run.parameters
    pipeline = parameters.get("pipeline")
    try:
        spec = read_requested(pipeline or "", Settings().pipelines)
        moment = spec.parse_as_of(parameters.get("as_of") or spec.schedule.as_of or flow_run.scheduled_start_time)
    except SpecError:
        return pipeline[:80] if isinstance(pipeline, str) else "refused"
    night = moment.astimezone(spec.schedule.zone)
    return f"{spec.name} {night:%Y-%m-%d %H:%M}{' dry run' if parameters.get('dry_run') else ''}"
