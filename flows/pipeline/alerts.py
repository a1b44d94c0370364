"""Which events of a pipeline notify whom."""

from typing import Literal

import pandas as pd
from pydantic import Field, PositiveInt, field_validator

from data_contracts.spec import SettingsSpec
from models.data.windows import parse_duration


class AlertSpec(SettingsSpec):
    """Thresholds of notifications, and the run that drift starts."""

    quarantine: float = Field(
        0.05, ge=0, le=1, description="share of the rows read that may be in quarantine without a notification"
    )
    promotion: PositiveInt = Field(
        90, le=100_000, description="nights without a new champion until a notification is sent"
    )
    retrain: Literal["always", "rehearse", "never"] = Field(
        "always", description="run that drift starts: retrain/<pipeline>, the same as a dry run, or none"
    )
    cooldown: str = Field("7d", description="time after a run started by drift in which drift starts no other")

    @field_validator("cooldown")
    @classmethod
    def _parse_cooldown(cls, cooldown: str) -> str:
        try:
            length = parse_duration(cooldown)
        except ValueError as error:
            raise ValueError(f"{cooldown!r} is not a duration; write for example 7d or 12h") from error
        if not length >= pd.Timedelta(0):
            raise ValueError(f"{cooldown!r} must not be negative; write for example 7d or 12h")
        return cooldown
