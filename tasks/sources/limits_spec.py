"""LimitsSpec: how long one read of a source may take, and how much it may hold."""

import pandas as pd
from pydantic import ByteSize, PositiveInt, field_validator

from data_contracts.spec import SettingsSpec
from models.data.windows import parse_duration

MAX_TIMEOUT = pd.Timedelta("1D")
MAX_STATED_BYTES = 10**15


class LimitsSpec(SettingsSpec):
    """The limits of one read. A default that depends on the memory of the machine is None here."""

    timeout: str = "30min"
    """How long one read of the source may take; a day at most."""
    max_rows: PositiveInt | None = None
    """Rows that are read at most; by default as many as fit the memory of the machine."""
    max_bytes: ByteSize | None = None
    """Uncompressed bytes that are read at most, such as 4GB; by default a quarter of the memory of the machine."""

    @field_validator("timeout")
    @classmethod
    def _check_timeout(cls, written: str) -> str:
        try:
            valid = pd.Timedelta(0) < parse_duration(written) <= MAX_TIMEOUT
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(
                f"{written!r} is not a duration above 0 and up to {MAX_TIMEOUT.days} day; write one such as 30min or 2h"
            )
        return written

    @field_validator("max_bytes")
    @classmethod
    def _check_max_bytes(cls, size: ByteSize | None) -> ByteSize | None:
        if size is not None and not 0 < size <= MAX_STATED_BYTES:
            raise ValueError(f"{int(size)} is not a size between 1 byte and 1 PB; write one such as 500MB or 4GB")
        return size

    @property
    def timeout_s(self) -> float:
        """How long one read may take, in seconds."""
        return parse_duration(self.timeout).total_seconds()
