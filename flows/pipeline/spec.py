"""PipelineSpec: everything one pipeline needs, composed of the rooms' own settings, and nothing about where it runs."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from cronsim import CronSim, CronSimError
from pydantic import Field, ValidationError, field_validator, model_validator

from data_contracts.artifact import Artifact
from data_contracts.column_types import known_frequency, known_zone
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.odcs_compiler import read_contract
from data_contracts.spec import Spec
from data_contracts.yaml_reader import read_document, spec_error_from
from flows.pipeline.alerts import AlertSpec
from flows.pipeline.files import find_pipeline, resolve_paths
from models.data.calendar import default_lookback
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.data.windows import WindowSpec
from models.networks.recurrent import RecurrentSpec
from models.training.fit import TrainingSpec
from models.training.recipe import Recipe
from tasks.drift import DriftSpec
from tasks.engine.code_digest import code_digest
from tasks.memory import MemorySpec
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, OutputSpec
from tasks.registry.promotion import PromotionSpec
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.dataset import ColumnsSpec, DatasetSpec
from tasks.sources.spec import SourceSpec


class ForecastSpec(OutputSpec):
    """Quantiles asked for, each between 0 and 1, and bounds that forecasts keep to. The median is always among them."""

    @field_validator("quantiles")
    @classmethod
    def _in_order(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < level < 1 for level in levels):
            raise ValueError("every quantile must lie between 0 and 1")
        return tuple(sorted({*levels, 0.5}))

    @model_validator(mode="after")
    def _room_between_the_bounds(self) -> "ForecastSpec":
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum} must be less than maximum {self.maximum}")
        return self


class ScheduleSpec(Spec):
    """When the night runs. The zone also says what an `--as-of` date and an hour of the day mean."""

    cron: str = "0 3 * * *"
    timezone: str = "UTC"
    as_of: str | None = Field(
        None, description="for data that have ended: the night that is run where no other is asked for, again and again"
    )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str) -> str:
        return known_zone(zone)

    @field_validator("as_of", mode="before")
    @classmethod
    def _as_text(cls, as_of: object) -> object:
        return as_of.isoformat() if isinstance(as_of, date) else as_of  # YAML reads 2013-11-30 as a date

    @field_validator("cron")
    @classmethod
    def _fires(cls, cron: str) -> str:
        try:
            CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC))
        except CronSimError as wrong:
            raise ValueError(f"{cron!r} is no cron expression ({wrong}); write one such as 0 3 * * *") from wrong
        return cron


class PipelineSpec(Spec):
    """One pipeline. Only name, source, columns, freq and windowing.horizon are required."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    contract: str | None = None
    source: SourceSpec
    columns: ColumnsSpec
    freq: str
    features: FeatureSpec = FeatureSpec()
    cleaning: CleaningSpec = CleaningSpec()
    windowing: WindowSpec
    models: tuple[RecurrentSpec, ...] = (RecurrentSpec(cell="lstm"), RecurrentSpec(cell="gru"))
    training: TrainingSpec = TrainingSpec()
    memory: MemorySpec = MemorySpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    promotion: PromotionSpec = PromotionSpec()
    forecast: ForecastSpec = ForecastSpec()
    drift: DriftSpec = DriftSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    alerts: AlertSpec = AlertSpec()

    @field_validator("freq")
    @classmethod
    def _frequency(cls, freq: str) -> str:
        return known_frequency(freq)

    @model_validator(mode="after")
    def _rules_that_span_rooms(self) -> "PipelineSpec":
        names = [model.settled(self.input_spec.phase, self.input_spec.lookback).name for model in self.models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"models: {', '.join(twice)} stands twice; models must differ")
        if not names:
            raise ValueError("models: name at least one")
        columns, features = self.columns, self.features
        targets = [columns.y] if isinstance(columns.y, str) else list(columns.y)
        roles = [columns.ds, *targets, *filter(None, [columns.unique_id, columns.known_at])]
        roles += [*features.known_columns, *features.observed]
        numbers = ("y", *features.known_columns, *features.observed)
        if strange := sorted(set(self.cleaning.fill) - set(numbers)):
            raise ValueError(f"cleaning.fill: {strange[0]!r} is no number that is read; they are {', '.join(numbers)}")
        if doubled := sorted({name for name in roles if roles.count(name) > 1}):
            raise ValueError(f"column {doubled[0]!r} has two roles; it is one of ds, y, known_at, known, observed")
        if self.source.incremental and not columns.known_at:
            raise ValueError("source.incremental needs columns.known_at: the column that says when a row became known")
        return self

    @classmethod
    def read(cls, pipeline: "PipelineSpec | str", folder: Path | None = None) -> "PipelineSpec":
        """The spec itself, a YAML path, or a name under `folder` or deployments/pipelines. Raises SpecError."""
        if isinstance(pipeline, cls):
            return pipeline
        path = find_pipeline(str(pipeline), folder)
        try:
            return cls.model_validate(read_document(path)).resolve_path(path)
        except ValidationError as error:
            raise spec_error_from(path, error) from error

    def resolve_path(self, path: Path) -> "PipelineSpec":
        """The same spec with its local paths resolved: from here, beside the YAML, or in this repository."""
        source = self.source.beside(lambda local: resolve_paths(local, path), path.parent)
        contract = resolve_paths(self.contract, path) if self.contract else None
        return self.model_copy(update={"source": source, "contract": contract})

    @property
    def input_spec(self) -> InputSpec:
        lookback = self.windowing.lookback or default_lookback(self.freq, self.windowing.horizon)
        return InputSpec(
            features=self.features,
            freq=self.freq,
            zone=self.schedule.timezone,
            lookback=lookback,
            horizon=self.windowing.horizon,
            fill=tuple(sorted(self.cleaning.fill.items())),
        )

    @property
    def dataset(self) -> DatasetSpec:
        return DatasetSpec(
            pipeline=self.name,
            source=self.source,
            columns=self.columns,
            features=self.features,
            freq=self.freq,
            zone=self.schedule.timezone,
            horizon=self.windowing.horizon,
            contract=self.compiled_contract,
            cleaning=self.cleaning,
        )

    @property
    def compiled_contract(self) -> Contract | None:
        """The contract of the source. Raises SpecError where it and the source disagree on the zone of the times."""
        contract = read_contract(Path(self.contract)) if self.contract else None
        zones = [column.zone for column in contract.columns if column.name == self.columns.ds] if contract else []
        if self.source.timezone and any(zone and zone != self.source.timezone for zone in zones):
            raise SpecError(
                f"{self.contract} says that {self.columns.ds} is in {zones[0]} (defaultTimezone), the pipeline says "
                f"{self.source.timezone} (source.timezone); write one of them."
            )
        return contract

    @property
    def forecast_setup(self) -> ForecastSetup:
        bounds = OutputSpec(**self.forecast.model_dump())
        return ForecastSetup(view=self.input_spec, bounds=bounds, evaluation=self.evaluation)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        quantiles, view = self.forecast.quantiles, self.input_spec
        return tuple(
            Recipe(model=model, training=self.training, quantiles=quantiles, view=view)
            for model in (one.settled(view.phase, view.lookback) for one in self.models)
        )

    def parse_as_of(self, as_of: "str | datetime | None", word: str = "--as-of") -> datetime:
        """The as-of as an instant; a date, or a time without a zone, is meant in the schedule's zone. None: now."""
        as_of = self.schedule.as_of if as_of is None else as_of
        try:
            moment = (pd.Timestamp.now(tz="UTC") if as_of is None else pd.Timestamp(as_of)).floor("s")
            moment = moment.tz_localize(self.schedule.timezone) if moment.tz is None else moment
        except ValueError as unclear:
            raise SpecError(
                f"{word} {as_of!r} is no single moment: {unclear}. Write 2013-11-30 or an ISO time."
            ) from unclear
        if moment is pd.NaT:
            raise SpecError(f"{word} is empty; write 2013-11-30 or an ISO time.")
        return moment.tz_convert("UTC").to_pydatetime()

    def run_id(self, flow: str, as_of: datetime, raw: Artifact) -> str:
        """Digest of the spec, the inputs, the as-of and the release: a rerun is the same run, an upgrade is another."""
        promises = self.compiled_contract
        spec = self.model_dump_json(
            exclude={"source", "contract", "alerts"}
        )  # where the table lies is not what it says
        contract = promises.model_dump_json() if promises else ""
        told = (flow, code_digest(), spec, contract, as_of.isoformat(), raw.digest)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
