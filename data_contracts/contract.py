"""The contract of one table: columns, key, rules and service levels, and the structural check of a table."""

import re
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, field_validator

from data_contracts.column_types import DEFAULT_ARROW_TYPE, ColumnType, arrow_type
from data_contracts.rules import QualityRule, Scope, Severity
from data_contracts.spec import Spec

MAX_COMBINED_KEYS = 2**62  # that fit a 64-bit integer


class Column(Spec):
    """One column of a contract.

    `zone` is the time zone of naive times. `zoned` says whether times carry a zone or offset; None leaves it open.
    `format` is the strptime format of times in text. `unit` is the unit of the values, as in mph.
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
        """The type in one word: the Arrow type if the contract gives one."""
        return self.arrow or {"any": "anything", "clock": "time of day", "time": "timestamp"}.get(self.kind, self.kind)


class ServiceLevel(Spec):
    """One service level. If enforced, `value` is the maximum age of the newest observation (pandas offset)."""

    property: str
    value: str
    enforced: bool = False
    severity: Severity = "error"
    scope: Scope = "table"
    description: str = ""


class Contract(Spec):
    """Everything that one table promises.

    `extra_columns_pattern` is a regular expression for the names of further columns that the table may have.
    `row_faults` decides what happens to a row that is not an observation (text for a number, a repeated key, a time
    off the grid): it stops the run (error), excludes its series (series), or goes to quarantine alone (warning).
    `informal_rules` are text rules of the contract, which are not evaluated. Aliases are the keys of stored records.
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
        """Id and version, as in clean@1.0.0."""
        return f"{self.id}@{self.version}"

    @property
    def key(self) -> list[str]:
        """Names of the columns that identify a row."""
        return [column.name for column in self.columns if column.key]

    @property
    def freshness(self) -> str | None:
        """Maximum age of the newest observation of the whole table, as a pandas offset."""
        ages = [level.value for level in self.levels if level.enforced and level.scope == "table"]
        return ages[0] if ages else None

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the table. A column without a promised type has the type null."""
        types = {column.name: column.arrow or DEFAULT_ARROW_TYPE.get(column.kind) for column in self.columns}
        arrow_types = {name: arrow_type(word) if word else pa.null() for name, word in types.items()}
        required = {column.name for column in self.columns if column.required}
        return pa.schema([pa.field(name, arrow, name not in required) for name, arrow in arrow_types.items()])

    def violations(self, table: pa.Table) -> list[str]:
        """Check columns, types, nulls and key of `table`.

        Args:
            table: The table in the columns and Arrow types of this contract.

        Returns:
            One sentence for each violation; empty if the table conforms.
        """
        findings = []
        for column in self.columns:
            findings += _column_findings(column, table)
        promised = {column.name for column in self.columns}
        for name in table.column_names:
            if name not in promised and not re.fullmatch(self.extra_columns_pattern or "", name):
                findings.append(f"column {name!r} is not in the contract")
        if not findings and self.key and (duplicates := _count_repeated_keys(table, self.key)):
            findings.append(f"{duplicates} rows repeat a key ({', '.join(self.key)})")
        return findings


def _count_repeated_keys(table: pa.Table, key: list[str]) -> int:
    """Count the rows whose key an earlier row has; of a table that is not sorted, each key becomes one integer."""
    if not table.num_rows or _is_increasing([table[name] for name in key]):
        return 0
    combined, distinct = np.zeros(table.num_rows, dtype=np.int64), 1
    for name in key:
        chunks = table[name].dictionary_encode(null_encoding="encode").chunks  # all have one dictionary
        size = len(chunks[0].dictionary)
        distinct *= size
        if distinct > MAX_COMBINED_KEYS:
            return int(table.num_rows - table.group_by(key).aggregate([]).num_rows)
        combined = combined * size + np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
    ordered = np.sort(combined)
    return int((ordered[1:] == ordered[:-1]).sum())


def _is_increasing(columns: list[pa.ChunkedArray]) -> bool:
    """Return whether each row is greater than the row before, column by column: then no row repeats another."""
    increasing = pa.scalar(False)
    for column in reversed(columns):
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        increasing = pc.or_kleene(pc.greater(after, before), pc.and_kleene(pc.equal(after, before), increasing))
    return pc.all(increasing, skip_nulls=False).as_py() is True


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
        non_finite = values.length() - values.null_count - pc.sum(pc.is_finite(values)).as_py()
        if non_finite and column.required:
            findings.append(f"column {column.name!r} has {non_finite} values that are not finite")
    return findings
