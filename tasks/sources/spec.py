"""SourceSpec: where a table comes from, and which fields each kind of source has."""

import codecs
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, NonNegativeInt, PrivateAttr, field_serializer, field_validator, model_validator

from data_contracts.column_types import known_zone
from data_contracts.errors import redact
from data_contracts.spec import SettingsSpec
from tasks.sources.limits_spec import LimitsSpec
from tasks.sources.numbers import NumberFormat
from tasks.sources.redaction import VARIABLE_REFERENCE, redact_url, redact_values
from tasks.sources.times.time_formats import check_format

Scalar = str | bool | int | float | datetime | date | None

FIELDS = {
    "csv": ("path", "storage", "delimiter", "encoding", "skip"),
    "parquet": ("path", "storage"),
    "arrow": ("path", "storage"),
    "orc": ("path", "storage"),
    "json": ("path", "storage", "encoding"),
    "excel": ("path", "storage", "sheet", "range", "skip"),
    "delta": ("path", "storage"),
    "iceberg": ("path", "storage"),
    "sql": ("url", "query", "table", "parameters", "incremental"),
    "python": ("callable", "arguments"),
}
COMMON_FIELDS = (
    "decimal",
    "thousands",
    "missing",
    "timezone",
    "epoch",
    "format",
    "stamps",
    *LimitsSpec.model_fields,
)  # how values of any kind are parsed, and limits
REQUIRED_FIELD = dict.fromkeys(FIELDS, "path") | {"sql": "url", "python": "callable"}
SQLITE_URL = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^/?$][^?$]*)(.*)")


class IncrementalSpec(SettingsSpec):
    """Read only rows that became known since the last night, less `reread`; the others come from its raw table."""

    reread: str = "3d"

    @field_validator("reread")
    @classmethod
    def _check_span(cls, span: str) -> str:
        try:
            valid = pd.Timedelta(span) >= pd.Timedelta(0)
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"{span!r} is not a span of time; write one such as 3d or 12h")
        return span


class SourceSpec(LimitsSpec):
    """Where the table comes from. `${NAME}` in text is an environment variable, resolved when the source is read.

    `path` may be any fsspec URL, a folder or a glob. Dumps and representations contain no passwords.
    """

    kind: Literal["csv", "parquet", "sql", "python", "excel", "json", "arrow", "orc", "delta", "iceberg"]
    path: str = ""
    storage: dict[str, Any] = Field(default_factory=dict)
    """fsspec's storage options."""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    decimal: Literal[".", ","] = "."
    """The decimal separator of numbers that are text."""
    thousands: Literal[",", ".", " ", "'"] | None = None
    """What separates thousands in numbers that are text; a space also means the narrow and the fixed one."""
    missing: tuple[str | float, ...] = ()
    """Signs for a missing number in addition to the default ones, such as [x, -999]."""
    encoding: str = "utf-8"
    skip: NonNegativeInt | None = Field(None, le=1_000_000)
    """Lines of a CSV file, or rows of a sheet, above the header; detected by default."""
    sheet: str | None = None
    """The sheet of a workbook; by default its only sheet that is not empty."""
    range: str | None = None
    """The cells of the sheet that hold the table with its header, such as B3:F400; all by default."""
    url: str = ""
    """A SQLAlchemy URL."""
    query: str | None = None
    table: str | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    callable: str | None = None
    """`module:function`; the module may lie next to the YAML."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    incremental: IncrementalSpec | None = None
    timezone: str | None = None
    """The time zone of naive times; UTC by default."""
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    """The unit of times that are numbers: Unix time, in UTC."""
    format: str | None = None
    """How the times of `columns.ds` are written: a strptime format, or excel, quarter, month, week, half, steps."""
    stamps: Literal["begin", "end"] | None = None
    """Whether a stamp is the begin or the end of its period: `end` for hours 01:00 to 24:00. By default `end` for
    frequencies of the last day (ME, QE, YE, BME), otherwise `begin`. Only periods that are over by the as-of count."""

    _folder: str = PrivateAttr("")
    _document: Path | None = PrivateAttr(None)
    _allows_private: bool = PrivateAttr(False)

    @field_validator("timezone")
    @classmethod
    def _check_zone(cls, zone: str | None) -> str | None:
        return known_zone(zone) if zone else None

    @field_validator("format")
    @classmethod
    def _check_format(cls, written: str | None) -> str | None:
        return None if written is None else check_format(written)

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
            codecs.getincrementaldecoder(encoding)
        except (LookupError, ValueError) as unknown:
            raise ValueError(f"{encoding!r} is not an encoding; write one such as utf-8, latin-1, cp1252") from unknown
        return encoding

    @model_validator(mode="after")
    def _check_fields_of_kind(self) -> "SourceSpec":
        allowed = FIELDS[self.kind]
        defaults = {
            name: field.get_default(call_default_factory=True) for name, field in type(self).model_fields.items()
        }
        others = self.model_fields_set - {*allowed, *COMMON_FIELDS, "kind"}
        foreign = [name for name in others if getattr(self, name) != defaults[name]]
        if foreign:
            raise ValueError(
                f"a source of kind {self.kind} does not have {', '.join(sorted(foreign))}; it has {', '.join(allowed)}"
            )
        if not getattr(self, REQUIRED_FIELD[self.kind]):
            raise ValueError(f"kind {self.kind} needs {REQUIRED_FIELD[self.kind]}")
        if self.epoch and self.format:
            raise ValueError("epoch and format exclude each other; epoch is the unit of Unix times, remove one of them")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}; set decimal to the other one")
        if self.kind == "python" and not re.fullmatch(r"[\w.]+:[\w.]+", self.callable or ""):
            raise ValueError(f"callable {self.callable!r} must be written module:function")
        if self.kind == "sql":
            self._check_statement()
        return self

    def _check_statement(self) -> None:
        if bool(self.query) == bool(self.table):
            raise ValueError("kind sql needs either query or table")
        if "as_of" in self.parameters:
            raise ValueError(
                "parameters: as_of is reserved for the as-of of the run; the query may use :as_of without it"
            )
        if reference := VARIABLE_REFERENCE.search(self.query or ""):
            raise ValueError(
                f"query contains {reference.group()}; add it to source.parameters, and use it in the query as :name"
            )
        used = _query_parameters(self.query) - {"as_of"} if self.query else set()
        if missing := sorted(used - set(self.parameters)):
            raise ValueError(
                f"query uses :{missing[0]}, but source.parameters has no {missing[0]}. "
                "Add it, or escape a literal colon as \\:"
            )
        if unused := sorted(set(self.parameters) - used):
            raise ValueError(
                f"source.parameters has {unused[0]!r}, but the query does not use it. "
                f"Use it as :{unused[0]}, or remove it"
            )

    @property
    def number_format(self) -> NumberFormat:
        """How the source writes numbers."""
        return NumberFormat(self.decimal, self.thousands, self.missing)

    @property
    def label(self) -> str:
        """The source in a message or record, without credentials."""
        if self.kind == "sql":
            return f"{redact_url(self.url)}{f' ({self.table})' if self.table else ''}"
        return self.callable or redact(self.path)

    @property
    def uses_as_of(self) -> bool:
        """Whether the query uses :as_of, so that it may return other rows every night."""
        return bool(self.query) and "as_of" in _query_parameters(str(self.query))

    @property
    def folder(self) -> str:
        """The folder of the YAML; empty for a source without a YAML."""
        return self._folder

    @property
    def allows_private_addresses(self) -> bool:
        """Whether hosts inside this machine or its network may be read."""
        return self._allows_private

    def permit_private_addresses(self, permitted: bool) -> "SourceSpec":
        """Return the source, to be read also from hosts inside this machine or its network if `permitted`."""
        permitting = self.model_copy()
        permitting._allows_private = permitted
        return permitting

    @property
    def document(self) -> Path | None:
        """The YAML; None for a source without a YAML."""
        return self._document

    def with_resolved_paths(
        self, resolve: Callable[[str], str], folder: Path, document: Path | None = None
    ) -> "SourceSpec":
        """Return the source of a YAML, `document` in `folder`, with its local path resolved."""
        changes = {"path": resolve(self.path)} if self.path else {}
        if local := SQLITE_URL.fullmatch(self.url):
            changes["url"] = f"{local[1]}{resolve(local[2])}{local[3]}"
        moved = self.model_copy(update=changes)
        moved._folder, moved._document = str(folder), document
        return moved

    @field_serializer("path", "url")
    def _dump_address(self, address: str) -> str:
        return redact_url(address) if "://" in address else address

    @field_serializer("query")
    def _dump_query(self, query: str | None) -> str | None:
        return redact(query) if query else query

    @field_serializer("storage", "parameters", "arguments")
    def _dump_values(self, values: dict[str, Any]) -> Any:
        return redact_values(values)

    def __repr_args__(self) -> Any:
        return list(self.model_dump().items())


def _query_parameters(query: str) -> set[str]:
    from sqlalchemy import text  # takes half a second, and files do not need it

    return set(text(query).compile().params)
