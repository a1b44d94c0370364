"""Inferences: what a user may state in advance, what was inferred from the table, and how certain it is."""

import difflib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import PositiveInt, field_validator

from data_contracts.column_types import known_frequency, known_zone
from data_contracts.errors import NightcastError, SpecError
from data_contracts.spec import Spec

LABEL_WIDTH = 12
MAX_NAMES_IN_ERROR = 20


class CannotInferPipeline(NightcastError):
    """No pipeline can be inferred from the table."""

    exit_code = 3


class TableUnreachable(CannotInferPipeline):
    """The server of the table does not answer, or refuses this user: nothing is known of the table."""

    exit_code = 1


class Hints(Spec):
    """What the user states; everything else is inferred."""

    time: str | None = None
    id: str | None = None
    target: str | None = None
    freq: str | None = None
    timezone: str | None = None
    stamps: Literal["begin", "end"] | None = None
    horizon: PositiveInt | None = None
    repeated: Literal["reject", "first", "last", "mean", "sum"] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'"] | None = None

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, zone: str | None) -> str | None:
        return known_zone(zone) if zone else None

    @field_validator("freq")
    @classmethod
    def _check_freq(cls, freq: str | None) -> str | None:
        return None if freq is None else known_frequency(freq)


class Inference(NamedTuple):
    """One inferred property of the pipeline: `what` it is, its value, and why.

    `confidence` is sure, likely, unsure, given (stated by the user) or None (reported only); `evidence` is the reason.
    """

    what: str
    value: str
    confidence: str | None
    evidence: str

    @property
    def line(self) -> str:
        """The inference as a line of `nightcast init`."""
        reason = ": ".join(filter(None, (self.confidence, self.evidence)))
        return f"{self.what + ':':<{LABEL_WIDTH}}{self.value or '(no name)'}" + (f" ({reason})" if reason else "")


def resolve_column(name: str, names: Iterable[str], option: str, table: str) -> str:
    """Check that the table has the column of an option.

    Args:
        name: The column that the user named.
        names: The columns of the table.
        option: The option, named in the error.
        table: The table, named in the error.

    Returns:
        The name.

    Raises:
        SpecError: The table does not have the column; suggests the closest name.
    """
    names = list(names)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, 1)
    known = ", ".join(map(repr, names[:MAX_NAMES_IN_ERROR])) or "no other"
    hint = f"did you mean {close[0]!r}?" if close else f"it has {known}."
    raise SpecError(f"{option}: {table} has no column {name!r}; {hint}")


def format_percent(share: float) -> str:
    """Format a share as percent with three significant digits; less than all is never shown as 100 %."""
    if share in {0, 1}:
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(100 * share, 0.01), 99.9):.3g} %"


def join_names(names: Iterable[str], limit: int = 8) -> str:
    """Join up to `limit` names with commas, followed by the number of further names."""
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
