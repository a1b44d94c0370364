"""The words of guessing: what a person may say beforehand, what was found and how sure, and what nobody can guess."""

import difflib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import PositiveInt, field_validator

from data_contracts.column_types import known_frequency, known_zone
from data_contracts.errors import NightcastError, SpecError
from data_contracts.spec import Spec


class CannotInferPipeline(NightcastError):
    """A table of which no pipeline can be made as it is."""

    exit_code = 3


class Hints(Spec):
    """What a person knows better; everything else is guessed."""

    time: str | None = None
    id: str | None = None
    target: str | None = None
    freq: str | None = None
    timezone: str | None = None
    horizon: PositiveInt | None = None
    repeated: Literal["reject", "first", "last", "mean", "sum"] | None = None

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        return known_zone(zone) if zone else None

    @field_validator("freq")
    @classmethod
    def _frequency(cls, freq: str | None) -> str | None:
        return None if freq is None else known_frequency(freq)


class Inference(NamedTuple):
    """One guess: `what` it is about, its value, how sure (sure, likely, unsure, given), and what tells so."""

    what: str
    value: str
    confidence: str | None
    evidence: str

    @property
    def line(self) -> str:
        told = ": ".join(filter(None, (self.confidence, self.evidence)))
        return f"{self.what + ':':<12}{self.value}" + (f" ({told})" if told else "")


def resolve_column(name: str, names: Iterable[str], option: str, table: str) -> str:
    """`name`, if the table has it. Raises SpecError with the nearest name."""
    names = list(names)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, names[:20]))}"
    raise SpecError(f"{option} {name!r} is no column of {table}; {hint}")


def format_percent(share: float) -> str:
    """A share as a person says it; never 100 % of what is less than all."""
    if share in {0, 1}:
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(100 * share, 0.01), 99.9):.3g} %"


def join_names(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
