"""What a run knows about single series: values that models cannot use, fallbacks, and series without a forecast."""

from datetime import datetime
from typing import Literal

from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate

Cause = Literal["vanished", "too short", "closed", "quarantined", "ended", "no future covariates", "not finite"]


class ExtremeValue(Spec):
    """A value that is too large to compute with. Its row is in quarantine; models see a gap."""

    series: str
    ds: datetime
    column: str
    value: float

    @property
    def sentence(self) -> str:
        """The value and its time, for the reason of a fallback."""
        return f"{self.column} is {self.value:g} at {self.ds:%Y-%m-%d %H:%M} UTC, too large to compute with"


class SeriesFallback(Spec):
    """The series that another model than the main model of the night forecast, and why."""

    candidate: Candidate
    reason: str
    series: tuple[str, ...]


class SeriesWithoutForecast(Spec):
    """A series that was not forecast: the cause, and a sentence that explains it."""

    series: str
    cause: Cause
    reason: str
