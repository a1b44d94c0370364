"""Settings of a backtest: which models forecast, when they are trained again, how series are weighed."""

from datetime import datetime
from typing import Any, Literal

from pydantic import PositiveInt, ValidationError, field_validator

from data_contracts.errors import SpecError
from data_contracts.spec import SettingsSpec, Spec
from models.data.windows import WindowSpec
from models.training.recipe import Recipe
from tasks.modeling.baselines import season_lengths
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.group_scores import ScoreSpec, Weights
from tasks.sources.dataset import DatasetSpec

Refit = Literal["never", "each"] | PositiveInt


class BacktestSpec(SettingsSpec):
    """Settings of a backtest.

    `every` is the distance of two origins, by default a day or one longer step. `refit` trains the first model of the
    pipeline at each origin or at every n-th, and forecasts with it until the next. `models` are champion, versions and
    baseline; by default the champion, or with a refit only the trained model.
    """

    every: str | None = None
    refit: Refit = "never"
    models: tuple[str, ...] = ()
    weights: Weights = "equal"

    @field_validator("refit", mode="before")
    @classmethod
    def _read_number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.lstrip("-").isdecimal() else value

    @classmethod
    def parse(cls, every: str | None, refit: str, models: tuple[str, ...], weights: str) -> "BacktestSpec":
        """Build the settings from the options of the command line.

        Args:
            every: Distance of two origins, or None.
            refit: never, each or a number of origins.
            models: champion, baseline or versions.
            weights: equal or volume.

        Returns:
            The settings.

        Raises:
            SpecError: An option has another value.
        """
        try:
            return cls(every=every, refit=refit, models=models, weights=weights)
        except ValidationError as invalid:
            option = str(invalid.errors()[0]["loc"][0])
            value = {"refit": refit, "weights": weights}[option]
            choices = {
                "refit": "never, each, or a number of origins from 1, for example --refit 7",
                "weights": "equal or volume",
            }
            raise SpecError(f"--{option} {value!r} is not a valid choice. Give {choices[option]}.") from invalid

    @property
    def fixed_models(self) -> tuple[str, ...]:
        """The models that are not trained by the backtest, as they were asked for."""
        default = ("champion",) if self.refit == "never" else ()
        return tuple(dict.fromkeys(self.models or default))

    def fit_origins(self, count: int) -> tuple[int, ...]:
        """Return the numbers of the origins, of `count`, at which models and baselines are fitted; 0 is the first."""
        interval = {"never": count, "each": 1}.get(str(self.refit), self.refit)
        return tuple(range(0, count, int(interval)))


DEFAULT_BACKTEST = BacktestSpec()


class BacktestPlan(Spec):
    """A backtest of one pipeline: its settings, the source, the first recipe, windows and setup of the pipeline.

    `as_of` is the instant up to which actuals are known, and whose champion forecasts.
    """

    settings: BacktestSpec
    reading: DatasetSpec
    recipe: Recipe
    windowing: WindowSpec
    setup: ForecastSetup
    as_of: datetime

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""
        return self.reading.pipeline

    @property
    def scoring(self) -> ScoreSpec:
        """How scores are taken: OWA compares with seasonal naive, or with naive without a season."""
        season = season_lengths(self.setup)[0]
        reference = f"seasonal_naive_{season}" if season > 1 else "naive"
        return ScoreSpec(season=season, reference=reference, weights=self.settings.weights)
