"""When a pipeline runs, and in which time zone its dates are."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from data_contracts.column_types import known_zone
from data_contracts.spec import SettingsSpec


class ScheduleSpec(SettingsSpec):
    """When the night runs. The time zone also applies to `--as-of` dates and to hours of the day."""

    cron: str = "0 3 * * *"
    timezone: str = "UTC"
    as_of: str | None = Field(
        None, description="for data that have ended: the as-of of every run that is started without one"
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the schedule."""
        return ZoneInfo(self.timezone)

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, zone: str) -> str:
        return known_zone(zone)

    @field_validator("as_of", mode="before")
    @classmethod
    def _date_to_text(cls, as_of: object) -> object:
        return as_of.isoformat() if isinstance(as_of, date) else as_of  # of a caller in Python; YAML is read as text

    @field_validator("cron")
    @classmethod
    def _check_cron(cls, cron: str) -> str:
        try:
            CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(f"{cron!r} is not a cron expression ({error}); write for example 0 3 * * *") from error
        return cron
