"""The one base of every setting and claim: frozen, and a typo is an error."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Settings that can't change after they were read and refuse a field they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
