"""Where a table comes from: one settings object, four kinds, and which words belong to which."""

import codecs
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, PrivateAttr, field_serializer, field_validator, model_validator
from sqlalchemy import text

from data_contracts.column_types import known_zone
from data_contracts.errors import redact
from data_contracts.spec import Spec

Scalar = str | bool | int | float | datetime | date | None

WORDS = {
    "csv": ("path", "storage", "delimiter", "decimal", "encoding"),
    "parquet": ("path", "storage"),
    "sql": ("url", "query", "table", "parameters", "incremental"),
    "python": ("callable", "arguments"),
}
NEEDED = {"csv": "path", "parquet": "path", "sql": "url", "python": "callable"}
NAMED = re.compile(r"\$\{\w+\}")  # a secret by its name, which may be shown
SECRET = re.compile(r"pass|pwd|secret|token|credential|(^|_)key", re.IGNORECASE)
SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^/?$][^?$]*)(.*)")


class IncrementalSpec(Spec):
    """Read only what became known since the last night, less `reread`, and take the rest from that night's raw."""

    reread: str = "3d"

    @field_validator("reread")
    @classmethod
    def _a_span(cls, span: str) -> str:
        try:
            sound = pd.Timedelta(span) >= pd.Timedelta(0)
        except ValueError:
            sound = False
        if not sound:
            raise ValueError(f"{span!r} is no span of time; write one such as 3d or 12h")
        return span


class SourceSpec(Spec):
    """Where the table comes from. `${NAME}` in a text stands for a variable of the environment, read when it is used.

    `path` may be any fsspec URL, a folder or a glob. What is dumped or shown never carries a password.
    """

    kind: Literal["csv", "parquet", "sql", "python"]
    path: str = ""
    storage: dict[str, Any] = Field(default_factory=dict)
    """fsspec's storage options."""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    url: str = ""
    """A SQLAlchemy URL."""
    query: str | None = None
    table: str | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    callable: str | None = None
    """`module:function`; the module may lie beside the YAML."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    incremental: IncrementalSpec | None = None
    timezone: str | None = None
    """The zone of times that carry none; UTC where it is not given."""
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    """The unit of times that are numbers, counted since 1970 in UTC."""

    _folder: str = PrivateAttr("")

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        return known_zone(zone) if zone else None

    @field_validator("encoding")
    @classmethod
    def _decodable(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
            codecs.getincrementaldecoder(encoding)
        except (LookupError, ValueError) as unknown:
            raise ValueError(f"{encoding!r} is no encoding; write one such as utf-8, latin-1, cp1252") from unknown
        return encoding

    @model_validator(mode="after")
    def _words_of_its_kind(self) -> "SourceSpec":
        known = WORDS[self.kind]
        plain = {name: field.get_default(call_default_factory=True) for name, field in type(self).model_fields.items()}
        others = self.model_fields_set - {*known, "kind", "timezone", "epoch"}
        foreign = [name for name in others if getattr(self, name) != plain[name]]
        if foreign:
            raise ValueError(f"kind {self.kind} knows no {', '.join(sorted(foreign))}, only {', '.join(known)}")
        if not getattr(self, NEEDED[self.kind]):
            raise ValueError(f"kind {self.kind} needs {NEEDED[self.kind]}")
        if self.kind == "python" and not re.fullmatch(r"[\w.]+:[\w.]+", self.callable or ""):
            raise ValueError(f"callable {self.callable!r} must be written module:function")
        if self.kind == "sql":
            self._one_statement()
        return self

    def _one_statement(self) -> None:
        if bool(self.query) == bool(self.table):
            raise ValueError("kind sql needs either query or table")
        if "as_of" in self.parameters:
            raise ValueError("the parameter as_of is ours: the instant of the night, for any query that names :as_of")
        if found := NAMED.search(self.query or ""):
            raise ValueError(f"a query takes no {found.group()}; give it as one of parameters, and name it as :name")
        asked = set(text(self.query).compile().params) - {"as_of"} if self.query else set()
        if lacking := sorted(asked - set(self.parameters)):
            raise ValueError(
                f"the query names :{lacking[0]}, which is not in parameters; a colon that is none is written \\:"
            )
        if idle := sorted(set(self.parameters) - asked):
            raise ValueError(f"the parameter {idle[0]!r} is not named in the query; write :{idle[0]} there")

    @property
    def shown(self) -> str:
        """The source as it may stand in a message or a record: without a password."""
        if self.kind == "sql":
            return f"{_url_shown(self.url)}{f' ({self.table})' if self.table else ''}"
        return self.callable or redact(self.path)

    @property
    def asks_for_the_night(self) -> bool:
        """Whether a query names :as_of, so that every night it may give other rows."""
        return bool(self.query) and "as_of" in text(str(self.query)).compile().params

    @property
    def folder(self) -> str:
        """Where the YAML lies; empty where there is none."""
        return self._folder

    def beside(self, resolve: Callable[[str], str], folder: Path) -> "SourceSpec":
        """The same source with its local path resolved."""
        changes = {"path": resolve(self.path)} if self.path else {}
        if local := SQLITE_FILE.fullmatch(self.url):
            changes["url"] = f"{local[1]}{resolve(local[2])}{local[3]}"
        moved = self.model_copy(update=changes)
        moved._folder = str(folder)
        return moved

    @field_serializer("path", "url")
    def _dumped_place(self, place: str) -> str:
        return _url_shown(place) if "://" in place else place

    @field_serializer("storage", "parameters", "arguments")
    def _dumped_values(self, values: dict[str, Any]) -> Any:
        return _told(values, "")

    def __repr_args__(self) -> Any:
        return list(self.model_dump().items())


def _url_shown(url: str) -> str:
    """Without user and password, even one with a slash or an @ of its own, and without what follows the ?."""
    return redact(url).split("?", 1)[0]


def _told(value: Any, name: str) -> Any:
    """Settings with every plain secret blotted out; one that is given by its name stays."""
    if isinstance(value, dict):
        return {key: _told(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_told(one, name) for one in value]
    if isinstance(value, str) and not NAMED.fullmatch(value):
        return "…" if SECRET.search(name) else _url_shown(value) if "://" in value else value
    return value
