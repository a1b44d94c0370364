"""Forecaster: the steps of a night on a frame, from validation to the forecast, with the defaults of a pipeline."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from data_contracts.errors import ContractBroken, NightcastError, SpecError
from flows.pipeline.spec import PipelineSpec
from models.bundle import Bundle
from models.data.time_steps import period_ends
from tasks.engine.failure import StepFailure
from tasks.evaluation import evaluate
from tasks.history.conversion import Library, to_arrow, to_library
from tasks.intake.examination import ValidationResult, examine
from tasks.modeling.candidate import load_bundle
from tasks.modeling.serving import forecast_history
from tasks.results.evaluation import EvaluationResult
from tasks.results.steps import TrainingResult
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.training import train
from tasks.windowing import cut_windows

PLACEHOLDER = {"kind": "parquet", "path": "frame.parquet"}  # the frame is given, and nothing is read


class NotFitted(NightcastError):
    """`predict` was called before `fit`."""


class FrameInvalid(ContractBroken):
    """A frame that `fit` was given cannot be used. `findings` name columns, series, rows and cells."""

    summary = "cannot be used:"

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("the frame", [finding.replace("the source", "the frame") for finding in findings])
        self.args = (f"{self}\nCorrect these columns or cells, or leave the cells empty, then call fit again.",)


class Forecaster:
    """Trains the models of a pipeline on a frame, and forecasts with the best of them and of the baselines.

    A frame has the columns unique_id, ds, y and the covariates; pandas, Polars and Arrow are accepted, and the results
    are of the same library. Known covariates need rows with an empty y for the steps of the horizon. Models, training,
    evaluation and the calibration of the quantiles are those of a night. Nothing is stored.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each thing that a forecaster may ask
        self,
        *,
        freq: str | int,
        horizon: int,
        season: int | None = None,
        quantiles: Sequence[float] | None = None,
        models: Sequence[str | dict[str, Any]] | None = None,
        known: Sequence[str] | None = None,
        observed: Sequence[str] = (),
        static: Sequence[str] = (),
        timezone: str = "UTC",
        **settings: Any,
    ) -> None:
        """Take the settings; what is omitted has the default of a pipeline.

        Args:
            freq: Step as a pandas frequency, such as h, D, W-MON or MS.
            horizon: Steps to forecast.
            season: Season length in steps.
            quantiles: Levels between 0 and 1; the median is always added.
            models: Names of cells (`lstm`, `gru`), or settings as under `models:` in a pipeline.
            known: Covariates that are known until the end of the horizon, and calendar features.
            observed: Covariates that are known until the cutoff.
            static: Covariates with one value per series.
            timezone: The zone of the calendar features, and of `ds` without an offset.
            **settings: Other sections of a pipeline, such as training={"max_epochs": 5}.

        Raises:
            SpecError: A setting is not valid; the message names it.
        """
        features = {"known": known and tuple(known), "observed": tuple(observed), "static": tuple(static)}
        sections: dict[str, Any] = {
            "name": "notebook",
            "source": PLACEHOLDER | {"timezone": timezone},
            "columns": {"unique_id": "unique_id", "ds": "ds", "y": "y"},
            "freq": freq,
            "features": features,
            "schedule": {"timezone": timezone},
            **settings,
            "windowing": {**settings.get("windowing", {}), "horizon": horizon},
        }
        if season is not None:
            sections["evaluation"] = {**settings.get("evaluation", {}), "season": season}
        if quantiles is not None:
            sections["forecast"] = {**settings.get("forecast", {}), "quantiles": tuple(quantiles)}
        if models is not None:
            sections["models"] = [{"cell": model} if isinstance(model, str) else model for model in models]
        try:
            self.spec = PipelineSpec.model_validate(sections)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the settings"
            raise SpecError(f"Forecaster: {where}: {first['msg'].removeprefix('Value error, ')}") from error
        self.findings: tuple[str, ...] = ()
        """What validation has rejected or noticed, and models that could not be trained, as sentences."""
        self._library: Library = "pandas"
        self._bundle: Bundle | None = None
        self._clean = self._scores = pd.DataFrame()

    def fit(self, frame: Any) -> "Forecaster":
        """Validate the frame, train every model, and compare them with the baselines on the newest part.

        Args:
            frame: unique_id, ds, y and the covariates, in any order.

        Returns:
            This forecaster.

        Raises:
            FrameInvalid: A column or a cell of the frame is wrong, as in a night without a contract: the message names
                column, series, time, row and value of the first cells.
            HistoryTooShort: The history does not hold one window of each part.
        """
        self._library, table = library_of(frame), to_arrow(frame)
        result = self._examine(table)
        clean, cutoff = result.clean, result.cutoff
        if clean is None or cutoff is None:
            raise FrameInvalid(result.stopping)
        self.findings = (*result.findings, *result.notes)
        spec, setup = self.spec, self.spec.forecast_setup
        with tempfile.TemporaryDirectory(prefix="nightcast-") as folder:
            store = Store(root=folder)
            stored = store.put(clean, "clean")
            moment = cutoff.to_pydatetime()
            windows = cut_windows.fn(stored, moment, spec.input_spec, spec.windowing, spec.evaluation, store)
            trained = [train.attempt(stored, windows, recipe, None, store) for recipe in spec.recipes]
            self.findings += tuple(result.reason for result in trained if isinstance(result, StepFailure))
            candidates = tuple(result.candidate for result in trained if isinstance(result, TrainingResult))
            evaluated = evaluate.fn(stored, windows, candidates, setup, store)
            self._choose(evaluated, store)
        self._clean = clean
        return self

    def predict(self, frame: Any = None) -> Any:
        """Forecast the horizon after the last observation.

        Args:
            frame: A newer history with the columns of `fit`; None: the frame of `fit`.

        Returns:
            A frame with a row per series and step: unique_id, ds (UTC), cutoff, step, y_hat and a column per quantile.

        Raises:
            NotFitted: `fit` was not called before.
            HistoryInvalid: A column, a value or a row of the frame is missing or wrong.
        """
        if self._bundle is None:
            raise NotFitted("this Forecaster is not fitted: call fit(frame) before predict().")
        library = self._library if frame is None else library_of(frame)
        history = self._clean if frame is None else to_arrow(frame).to_pandas()
        setup = self.spec.forecast_setup
        table = forecast_history(self._bundle, history, setup.bounds, setup.closed)
        return to_library(to_arrow(table.assign(model_name=self._bundle.name)), library)

    @property
    def leaderboard(self) -> Any:
        """The scores of all models and baselines, best first, as a frame."""
        return to_library(to_arrow(self._scores), self._library)

    def _choose(self, evaluated: EvaluationResult, store: Store) -> None:
        """Keep the model with the lowest metric; without any score the first one."""
        scores = store.get(evaluated.scores).sort_values([self.spec.evaluation.metric, "model_name"], ignore_index=True)
        by_digest = {candidate.bundle.digest: candidate for candidate in evaluated.candidates}
        self._bundle = load_bundle(by_digest[scores["bundle"].iloc[0]], store)
        self._scores = scores.drop(columns="bundle")

    def _examine(self, table: pa.Table) -> ValidationResult:
        reading = self.spec.dataset
        try:
            raw = to_canonical_columns(reading_columns(table, reading), reading).to_pandas()
        except ContractBroken as error:  # it names the file of the pipeline, and here no file is read
            raise FrameInvalid(error.findings) from error
        return examine(raw, reading, _end_of_data(raw, reading))


def reading_columns(table: pa.Table, reading: DatasetSpec) -> pa.Table:
    """Select the columns of a frame that a dataset uses; a frame may have others.

    Args:
        table: The frame.
        reading: The columns of the dataset.

    Returns:
        The columns that the frame has.
    """
    wanted = set(reading.select_columns(table.column_names))
    return table.select([name for name in table.column_names if name in wanted])


def library_of(frame: Any) -> Library:
    """Return the library of a frame: pandas, polars or arrow. What is not a frame is refused when it is converted."""
    module = type(frame).__module__.partition(".")[0]
    return "polars" if module == "polars" else "arrow" if isinstance(frame, pa.Table) else "pandas"


def _end_of_data(raw: pd.DataFrame, reading: DatasetSpec) -> datetime:
    """Return the instant at which the period of the last row with a value ends: the as-of of a frame."""
    times = reading.parse_times(raw["ds"], ids=raw["unique_id"])
    last = times[pd.to_numeric(raw["y"], errors="coerce").notna().to_numpy()].max()
    if pd.isna(last):
        return datetime.now(UTC)  # validation says why
    end = period_ends(pd.Series([last]), reading.freq, reading.stamps).iloc[0]
    if reading.calendar_steps:  # dates are midnight UTC, and the as-of is an instant of the zone
        end = end.tz_localize(None).tz_localize(reading.zone, ambiguous=True, nonexistent="shift_forward")
    moment: datetime = end.tz_convert("UTC").to_pydatetime()
    return moment
