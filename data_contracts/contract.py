"""What one table promises, as facts: its columns, key, rules and service levels, and what a table breaks of it."""

import re
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, field_validator

from data_contracts.column_types import DEFAULT_ARROW_TYPE, ColumnType, arrow_type
from data_contracts.rules import QualityRule, Scope, Severity
from data_contracts.spec import Spec


class Column(Spec):
    """One promised column: what kind of values, whether it may be missing, whether it is part of the key.

    `zone` is that of times which carry none, `zoned` whether times carry one (None: not said), `format` how times are
    written as text, in the words of strptime. `unit` is the unit of the values, as mph.
    """

    name: str
    kind: ColumnType = "any"
    arrow: str | None = None
    required: bool = False
    key: bool = False
    zone: str | None = None
    zoned: bool | None = None
    format: str | None = None
    unit: str | None = None
    description: str = ""
    examples: tuple[str, ...] = ()

    @property
    def promised(self) -> str:
        """Its type in one word, Arrow's where the contract gives one."""
        return self.arrow or {"any": "anything", "clock": "time of day", "time": "timestamp"}.get(self.kind, self.kind)


class ServiceLevel(Spec):
    """One service level. Only an enforced one is judged: how old, in pandas' words, the newest observation may be."""

    property: str
    value: str
    enforced: bool = False
    severity: Severity = "error"
    scope: Scope = "table"
    description: str = ""


class Contract(Spec):
    """What one table promises.

    `extra_columns_pattern` is a regular expression for the names of further columns that the table may have.
    `row_faults` decides what happens to a row that is not an observation (text for a number, a repeated key, a time
    off the grid): it stops the run (error), excludes its series (series), or goes to quarantine alone (warning).
    `informal_rules` are text rules of the contract, which no code evaluates. The aliases are the keys of stored records.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    id: str
    version: str
    columns: tuple[Column, ...]
    rules: tuple[QualityRule, ...] = ()
    extra_columns_pattern: str | None = Field(None, alias="others")
    levels: tuple[ServiceLevel, ...] = ()
    row_faults: Literal["error", "warning", "series"] = "error"
    title: str = ""
    purpose: str = ""
    informal_rules: tuple[str, ...] = Field((), alias="words")

    @field_validator("extra_columns_pattern")
    @classmethod
    def _pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as broken:
            raise ValueError(f"{pattern!r} is not a regular expression: {broken}") from broken
        return pattern

    @property
    def label(self) -> str:
        return f"{self.id}@{self.version}"

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns if column.key]

    @property
    def freshness(self) -> str | None:
        """How old the newest observation of the whole table may be."""
        told = [level.value for level in self.levels if level.enforced and level.scope == "table"]
        return told[0] if told else None

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table; a column of which nothing is promised has the type null."""
        types = {column.name: column.arrow or DEFAULT_ARROW_TYPE.get(column.kind) for column in self.columns}
        plain = {name: arrow_type(word) if word else pa.null() for name, word in types.items()}
        required = {column.name for column in self.columns if column.required}
        return pa.schema([pa.field(name, arrow, name not in required) for name, arrow in plain.items()])

    def violations(self, table: pa.Table) -> list[str]:
        """One sentence for each structural promise that `table` breaks: columns, types, nulls, key."""
        findings = []
        for column in self.columns:
            findings += _column_findings(column, table)
        promised = {column.name for column in self.columns}
        for name in table.column_names:
            if name not in promised and not re.fullmatch(self.extra_columns_pattern or "", name):
                findings.append(f"column {name!r} is not in the contract")
        if not findings and self.key and table.num_rows:
            distinct = table.group_by(self.key).aggregate([]).num_rows
            if distinct != table.num_rows:
                twice = table.num_rows - distinct
                findings.append(f"{twice} rows repeat a key ({', '.join(self.key)})")
        return findings


def _column_findings(column: Column, table: pa.Table) -> list[str]:
    if column.name not in table.column_names:
        return [f"column {column.name!r} is missing"]
    values = table[column.name]
    if column.arrow and values.type != arrow_type(column.arrow):
        return [f"column {column.name!r} is {values.type}, not {column.arrow}"]
    findings = []
    if column.required and values.null_count:
        findings.append(f"column {column.name!r} has {values.null_count:,} missing values")
    if pa.types.is_floating(values.type) and values.length() > values.null_count:
        endless = values.length() - values.null_count - values.filter(pc.is_finite(values)).length()
        if endless and column.required:
            findings.append(f"column {column.name!r} has {endless} values that are not finite")
    return findings
