"""PipelineSpec: all settings of one pipeline, composed of those of the packages, and the rules across packages."""

import hashlib
from collections import Counter
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, PrivateAttr, ValidationError, WithJsonSchema, field_validator, model_validator

from data_contracts.artifact import Artifact
from data_contracts.column_types import known_frequency
from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.odcs_compiler import read_contract
from data_contracts.spec import SettingsSpec
from data_contracts.yaml_reader import read_document, spec_error_from
from flows.pipeline.alerts import AlertSpec
from flows.pipeline.contract_checks import check_contract
from flows.pipeline.files import find_pipeline, resolve_paths
from flows.pipeline.schedule_spec import ScheduleSpec
from flows.settings import Settings
from models.data.calendar import default_lookback
from models.data.closed_times import has_closed_times
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from models.data.time_steps import span_years
from models.data.windows import WindowSpec
from models.networks.architecture import RecurrentSpec
from models.training.recipe import Recipe
from models.training.training_spec import TrainingSpec
from tasks.anomalies import AnomalySpec
from tasks.memory import MemorySpec
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, ForecastSpec, OutputSpec
from tasks.monitoring.settings import DriftSpec
from tasks.promotion.decision import PromotionSpec
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.sources.spec import SourceSpec
from tasks.sources.times.timestamps import are_dates

MAX_HORIZON_YEARS = 1000  # times of Python end with the year 9999
Frequency = Annotated[str, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]})]


class PipelineSpec(SettingsSpec):
    """One pipeline. Only name, source, columns, freq and windowing.horizon are required."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    contract: str | None = None
    source: SourceSpec
    columns: ColumnsSpec
    freq: Frequency
    features: FeatureSpec = FeatureSpec()
    cleaning: CleaningSpec = CleaningSpec()
    windowing: WindowSpec
    models: tuple[RecurrentSpec, ...] = Field((RecurrentSpec(cell="lstm"), RecurrentSpec(cell="gru")), max_length=50)
    training: TrainingSpec = TrainingSpec()
    memory: MemorySpec = MemorySpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    promotion: PromotionSpec = PromotionSpec()
    forecast: ForecastSpec = ForecastSpec()
    drift: DriftSpec = DriftSpec()
    anomalies: AnomalySpec = AnomalySpec()
    schedule: ScheduleSpec = ScheduleSpec()
    alerts: AlertSpec = AlertSpec()
    _contract: Contract | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _read_counted_steps(cls, data: Any) -> Any:
        """Read `freq: 1`, a step that is counted and has no date, as days from 1970-01-01 without a season."""
        freq = data.get("freq") if isinstance(data, dict) and isinstance(data.get("source"), dict) else None
        if isinstance(freq, bool) or not isinstance(freq, int):
            return data
        if freq < 1:
            raise ValueError(
                f"freq: {freq} is not a step; write 1 for steps that are counted, or a frequency such as D"
            )
        counted = {"freq": "D" if freq == 1 else f"{freq}D", "source": {"format": "steps"} | data["source"]}
        return {"evaluation": {"season": 1}} | data | counted

    @field_validator("freq")
    @classmethod
    def _check_freq(cls, freq: str) -> str:
        return known_frequency(freq)

    @model_validator(mode="after")
    def _check_rules_across_packages(self) -> "PipelineSpec":
        names = [
            model.with_default_segment(self.input_spec.phase, self.input_spec.lookback).name for model in self.models
        ]
        if duplicates := sorted(name for name, count in Counter(names).items() if count > 1):
            raise ValueError(f"models: {', '.join(duplicates)} is listed twice; models must differ")
        if not names:
            raise ValueError("models: list at least one model")
        columns, features = self.columns, self.features
        targets = [columns.y] if isinstance(columns.y, str) else list(columns.y)
        roles = [*(columns.time_parts or (columns.ds,)), *targets, *columns.id_columns]
        roles += filter(None, [columns.known_at])
        roles += [*features.known_columns, *features.observed]
        numeric = ("y", *features.known_columns, *features.observed)
        if unknown := sorted(set(self.cleaning.fill) - set(numeric)):
            raise ValueError(
                f"cleaning.fill: column {unknown[0]!r} is not a numeric input of this pipeline. "
                f"Numeric inputs: {', '.join(numeric)}"
            )
        if span_years(self.freq, self.windowing.horizon) > MAX_HORIZON_YEARS:
            span = f"{self.windowing.horizon:,} steps of {self.freq} are more than {MAX_HORIZON_YEARS} years"
            raise ValueError(f"windowing.horizon: {span}; lower the horizon, or set a shorter freq")
        if self.cleaning.closed not in ("auto", ()) and not has_closed_times(self.freq):
            raise ValueError(f"cleaning.closed applies to steps of a day or shorter, not to freq {self.freq!r}")
        if repeated := sorted(name for name, count in Counter(roles).items() if count > 1):
            raise ValueError(f"column {repeated[0]!r} has two roles; give it one of ds, y, known_at, known, observed")
        if self.source.incremental and not columns.known_at:
            raise ValueError(
                "source.incremental needs columns.known_at, the column with the time at which a row became known"
            )
        return self

    @classmethod
    def read(cls, pipeline: "PipelineSpec | str", folder: Path | None = None) -> "PipelineSpec":
        """Read a pipeline.

        Args:
            pipeline: A spec, which is returned as it is, the path of a YAML file, or the name of a pipeline.
            folder: Folder of pipelines, besides deployments/pipelines.

        Returns:
            The validated spec, with its local paths resolved.

        Raises:
            SpecError: The pipeline does not exist, or its YAML file is invalid.
        """
        if isinstance(pipeline, cls):
            return pipeline
        path = find_pipeline(str(pipeline), folder)
        try:
            return cls.model_validate(read_document(path)).resolve_path(path)
        except ValidationError as error:
            invalid = spec_error_from(path, error, cls)
            raise invalid from error

    def resolve_path(self, path: Path) -> "PipelineSpec":
        """Return the spec with its local paths resolved, as `resolve_paths` does it for the YAML file at `path`."""
        source = self.source.with_resolved_paths(lambda local: resolve_paths(local, path), path.parent, path)
        contract = resolve_paths(self.contract, path) if self.contract else None
        source = source.permit_private_addresses(Settings().allow_private_sources)
        resolved = self.model_copy(update={"source": source, "contract": contract})
        resolved._contract = None
        return resolved

    @property
    def input_spec(self) -> InputSpec:
        """What a model is given: features, lookback and horizon."""
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
        """How the source is read, with its compiled contract. Raises SpecError if the contract is invalid."""
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
        """The contract of the source, compiled at the first access: one run meets one version of the file.

        It is not compiled in `read`, so that a run with a broken contract still leaves its failure page.

        Raises:
            SpecError: The document is not a valid contract, or `check_contract` refuses it.
        """
        if self.contract and self._contract is None:
            path = Path(self.contract)
            self._contract = check_contract(read_contract(path), path, self.columns.ds, self.source)
        return self._contract

    @property
    def forecast_setup(self) -> ForecastSetup:
        """Inputs, outputs and evaluation of the forecasts."""
        target = self.columns.y if isinstance(self.columns.y, str) else ""
        extra = {"id_columns": self.columns.composite_ids, "target": target, "closed": self.cleaning.closed}
        bounds = OutputSpec(**self.forecast.model_dump())
        return ForecastSetup(view=self.input_spec, bounds=bounds, evaluation=self.evaluation, **extra)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """One training recipe per model."""
        quantiles, view = self.forecast.quantiles, self.input_spec
        return tuple(
            Recipe(model=model, training=self.training, quantiles=quantiles, view=view)
            for model in (spec.with_default_segment(view.phase, view.lookback) for spec in self.models)
        )

    def parse_as_of(self, as_of: "str | datetime | None", option: str = "--as-of") -> datetime:
        """Convert an as-of to UTC.

        Args:
            as_of: A date, which is its first moment, or a time; naive values are in the schedule's zone. None: the
                as-of of the schedule, else now.
            option: The option that the value was given with, for messages.

        Returns:
            The instant in UTC, floored to seconds.

        Raises:
            SpecError: The value is empty, not a time, or ambiguous in the schedule's zone.
        """
        as_of = self.schedule.as_of if as_of is None else as_of
        try:
            # a date is its first moment, also where clocks skip or repeat midnight
            moment = (pd.Timestamp.now(tz="UTC") if as_of is None else pd.Timestamp(as_of)).floor("s")
            if moment.tz is None and are_dates(pd.Series([str(as_of)], dtype="str")).item():
                moment = moment.tz_localize(self.schedule.timezone, ambiguous=True, nonexistent="shift_forward")
            moment = moment.tz_localize(self.schedule.timezone) if moment.tz is None else moment
        except ValueError as error:
            raise SpecError(
                f"{option} {as_of!r} is not an unambiguous time: {error}. Write 2013-11-30 or an ISO time."
            ) from error
        if moment is pd.NaT:
            raise SpecError(f"{option} is empty; write 2013-11-30 or an ISO time.")
        return moment.tz_convert("UTC").to_pydatetime()

    def run_id(self, flow: str, as_of: datetime, raw: Artifact) -> str:
        """Return the digest of spec, input, as-of and release: a rerun has the same id, a new release another one."""
        # The location of the source is left out: the same table at another place is the same run.
        spec = self.model_dump_json(exclude={"source", "contract", "alerts"})
        contract = self.compiled_contract.model_dump_json() if self.compiled_contract else ""
        parts = (flow, version("nightcast"), spec, contract, as_of.isoformat(), raw.digest)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
