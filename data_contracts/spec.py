"""Base classes of all settings and records: frozen, and an unknown field is an error."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Immutable settings or record that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SettingsSpec(Spec):
    """Settings that a user writes: infinity and NaN are rejected too."""

    model_config = ConfigDict(allow_inf_nan=False)
