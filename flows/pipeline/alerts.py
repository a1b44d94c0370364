"""Which events of a pipeline notify whom."""

from typing import Literal

import pandas as pd
from pydantic import Field, PositiveInt, field_validator

from data_contracts.spec import Spec


class AlertSpec(Spec):
    """From what on somebody is told, and what drift starts."""

    quarantine: float = Field(0.05, ge=0, le=1, description="share of the rows read that may lie in quarantine")
    promotion: PositiveInt = Field(30, description="nights without a new champion until somebody is told")
    retrain: Literal["always", "rehearse", "never"] = Field(
        "always", description="what drift starts: retrain/<pipeline>, the same as a dry run, or nothing"
    )
    cooldown: str = Field("7d", description="how long drift starts nothing more after it did")

    @field_validator("cooldown")
    @classmethod
    def _a_duration(cls, cooldown: str) -> str:
        try:
            length = pd.Timedelta(cooldown)
        except ValueError as wrong:
            raise ValueError(f"{cooldown!r} is no duration; write one such as 7d or 12h") from wrong
        if not length >= pd.Timedelta(0):
            raise ValueError(f"{cooldown!r} must not be negative; write one such as 7d or 12h")
        return cooldown
