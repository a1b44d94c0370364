"""Requests and answers of the service, as pydantic models: they are the OpenAPI document."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tasks.quality.extreme_values import MAX_MAGNITUDE

MAX_OBSERVATIONS = 10_000
MAX_SERIES = 1_000
MAX_HISTORY_ROWS = 200_000
MAX_NAME_CHARACTERS = 512
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _parse_time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a time is ISO text such as 2024-03-01T05:00:00Z")  # noqa: TRY004 - pydantic reports ValueError
    try:
        time = datetime.fromisoformat(value)
    except ValueError as unclear:
        raise ValueError(f"{value[:40]!r} is not a time; write 2024-03-01T05:00:00Z") from unclear
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as outside:
        raise ValueError(f"{value[:40]!r} is outside the years 1 to 9999 in UTC") from outside


def _normalize_name(name: str) -> str:
    """Return a name in NFC, as a night keeps it. Raises ValueError for control characters, which a night rejects."""
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise ValueError("a name has no control characters")
    return unicodedata.normalize("NFC", name)


def _check_covariate(value: Any) -> Any:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= MAX_NAME_CHARACTERS):
        return value
    if isinstance(value, int | float) and abs(value) <= MAX_MAGNITUDE:
        return value
    raise ValueError(f"a covariate is a number of at most {MAX_MAGNITUDE:g}, a text, true, false or null")


def to_microseconds(time: datetime) -> int:
    """Return microseconds since 1970 in UTC."""
    return (time - EPOCH) // MICROSECOND


Time = Annotated[datetime, BeforeValidator(_parse_time, json_schema_input_type=str)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS), AfterValidator(_normalize_name)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # neither text nor true
Covariate = Annotated[Any, BeforeValidator(_check_covariate, json_schema_input_type=bool | float | str | None)]


class Request(BaseModel):
    """Base of requests: unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class SeriesObservation(Request):
    """One value of one series. A `y` of null says that nothing was observed at this step."""

    unique_id: Name
    ds: Time = Field(description="Begin or end of the step as in the source; without an offset it is UTC.")
    y: Number | None
    covariates: dict[Name, Number] = Field({}, max_length=100, description="Observed covariates of the model.")
    known: dict[Name, Annotated[list[Number], Field(max_length=2_000)]] = Field(
        {}, max_length=100, description="Covariates known in advance: values of the steps after the newest known one."
    )


class ObserveRequest(Request):
    """Observations in the order in which they are taken."""

    observations: list[SeriesObservation] = Field(min_length=1, max_length=MAX_OBSERVATIONS)
    forecast: bool = Field(True, strict=True, description="Answer with the forecasts that follow.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"observations": [{"unique_id": "JFK", "ds": "2013-12-01T05:00:00Z", "y": 4}]}]
        },
    )


class HistoryRow(Request):
    """One row of a history: unique_id, ds, y and the covariates of the model."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Covariate]

    unique_id: Name
    ds: Annotated[str, Field(max_length=64)]
    y: Number | None = None


class ForecastRequest(Request):
    """Either names of known series, with observations that are not kept, or a history of any series."""

    series: list[Name] | None = Field(None, min_length=1, max_length=MAX_SERIES)
    observations: list[SeriesObservation] = Field([], max_length=MAX_OBSERVATIONS)
    history: list[HistoryRow] | None = Field(None, min_length=1, max_length=MAX_HISTORY_ROWS)

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"series": ["JFK"]},
                {"series": ["JFK"], "observations": [{"unique_id": "JFK", "ds": "2013-12-01T05:00:00Z", "y": 4}]},
            ]
        },
    )

    @model_validator(mode="after")
    def _require_source(self) -> "ForecastRequest":
        if (self.series is None) == (self.history is None):
            raise ValueError("give either `series` or `history`")
        if self.history is not None and self.observations:
            raise ValueError("`observations` follow the kept state of known `series`; put them into `history`")
        return self


class ProblemDocument(BaseModel):
    """Why a request is not served (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


class ModelIdentity(BaseModel):
    """The model that an answer comes from."""

    name: str
    version: str
    digest: str


class SeriesForecast(BaseModel):
    """Forecast of one series: a value per open step of the horizon and quantile level."""

    unique_id: str
    cutoff: datetime
    ds: list[datetime]
    step: list[int]
    y_hat: list[float]
    quantiles: dict[str, list[float]]


class ForecastResponse(BaseModel):
    """Forecasts, and what they follow from: the lookback as in a night, or the state of the encoder."""

    pipeline: str
    model: ModelIdentity
    encoding: Literal["lookback", "carried state"]
    forecasts: list[SeriesForecast]


class ObservationResult(BaseModel):
    """What became of an observation, and how unusual it is given the forecast that was made before it."""

    unique_id: str
    ds: datetime
    outcome: Literal["advanced", "filled", "corrected", "repeated", "too old", "restarted"]
    y: float | None
    y_hat: float | None = Field(None, description="Median of the forecast that was made before this observation.")
    p_value: float | None = Field(None, description="Conformal p-value; null if nothing was forecast for this step.")


class SeriesProblem(BaseModel):
    """Why a series can't be forecast."""

    unique_id: str
    detail: str


class ObserveResponse(BaseModel):
    """Results of the observations in their order, and the forecasts that follow."""

    pipeline: str
    model: ModelIdentity
    encoding: Literal["lookback", "carried state"]
    results: list[ObservationResult]
    forecasts: list[SeriesForecast]
    without_forecast: list[SeriesProblem] = Field(
        [], description="Series whose observations were taken, and that can't be forecast: why, and what to send."
    )


class SeriesState(BaseModel):
    """What is kept of a series."""

    pipeline: str
    model: ModelIdentity
    unique_id: str
    newest: datetime
    observed: list[tuple[datetime, float | None]]
    known: list[str] = Field([], description="Covariates known in advance, of which the model needs the horizon.")
    forecast: SeriesForecast | None


class SeriesPage(BaseModel):
    """Names of known series, sorted."""

    pipeline: str
    model: ModelIdentity
    series: list[str]
    total: int
