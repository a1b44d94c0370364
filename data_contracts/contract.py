"""An Open Data Contract Standard document, compiled: columns, keys and rules that a table must keep."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty
from pydantic import BaseModel, ValidationError, field_validator

from data_contracts.document import read_document, sentences
from data_contracts.errors import SpecError
from data_contracts.rules import Rule, compile_rules
from data_contracts.spec import Spec

ODCS = Path(__file__).parent / "odcs"

ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
}

Kind = Literal["string", "number", "integer", "boolean", "time", "any"]
KINDS: dict[str | None, Kind] = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "date": "time",
    "timestamp": "time",
    "time": "string",
    None: "any",
}
UNITS = {"d": "D", "day": "D", "days": "D", "h": "h", "hour": "h", "hours": "h", "min": "min", "minutes": "min"}


class Column(Spec):
    """One promised column: what kind of values, whether it may be missing, whether it is part of the key."""

    name: str
    kind: Kind = "any"
    arrow: str | None = None
    required: bool = False
    key: bool = False


class Contract(Spec):
    """What one table promises.

    `others` matches the names of further columns that may stand in it, `freshness` is how old the newest
    observation may be, and `row_faults` says whether a row that is no observation at all (text for a number, a
    repeated key, a time off the grid) stops the night (error) or goes to quarantine (warning).
    """

    id: str
    version: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    others: str | None = None
    freshness: str | None = None
    row_faults: Literal["error", "warning"] = "error"

    @field_validator("others")
    @classmethod
    def _pattern(cls, others: str | None) -> str | None:
        try:
            re.compile(others or "")
        except re.error as broken:
            raise ValueError(f"{others!r} is no regular expression: {broken}") from broken
        return others

    @property
    def label(self) -> str:
        return f"{self.id}@{self.version}"

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns if column.key]

    def broken_by(self, table: pa.Table) -> list[str]:
        """One sentence for each structural promise that `table` breaks: columns, types, nulls, key."""
        findings = []
        for column in self.columns:
            findings += _column_findings(column, table)
        promised = {column.name for column in self.columns}
        for name in table.column_names:
            if name not in promised and not re.fullmatch(self.others or "", name):
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
    if column.arrow and values.type != ARROW[column.arrow]:
        return [f"column {column.name!r} is {values.type}, not {column.arrow}"]
    findings = []
    if column.required and values.null_count:
        findings.append(f"column {column.name!r} has {values.null_count:,} missing values")
    if pa.types.is_floating(values.type) and values.length() > values.null_count:
        endless = values.length() - values.null_count - values.filter(pc.is_finite(values)).length()
        if endless and column.required:
            findings.append(f"column {column.name!r} has {endless} values that are not finite")
    return findings


def read_contract(path: Path) -> Contract:
    """Compile the ODCS v3 document at `path`; SpecError says which part is no contract."""
    document = read_document(path)
    try:
        parsed = OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        raise sentences(path, error) from error
    if unknown := list(_unknown(document, parsed, "")):
        raise SpecError(f"{path}: the standard has no {', '.join(unknown)}; is a word misspelt?")
    if parsed.kind != "DataContract" or not parsed.schema_:
        raise SpecError(f"{path} is no data contract: kind must be DataContract and schema must name a table.")
    if len(parsed.schema_) != 1:
        raise SpecError(f"{path} describes {len(parsed.schema_)} tables; a contract here describes one.")
    table = parsed.schema_[0]
    columns = tuple(_column(prop, path) for prop in table.properties or [])
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(f"{path} promises {', '.join(twice)} twice; keep one of each.")
    try:
        return Contract(
            id=parsed.id or path.stem,
            version=parsed.version or "0.0.0",
            columns=columns,
            rules=compile_rules(table, path),
            others=_custom(table, "otherColumns"),
            freshness=_freshness(parsed, path),
            row_faults=_custom(table, "rowFaults") or "error",
        )
    except ValidationError as error:
        raise sentences(path, error) from error


def _unknown(written: Any, parsed: Any, place: str) -> Iterator[str]:
    """Fields of the document that the model of the standard has let fall."""
    if isinstance(parsed, BaseModel):
        fields = {field.alias or name: getattr(parsed, name) for name, field in type(parsed).model_fields.items()}
        for name, value in written.items():
            here = f"{place}.{name}" if place else str(name)
            yield from _unknown(value, fields[name], here) if name in fields else (here,)
    elif isinstance(parsed, list):
        for number, (one, other) in enumerate(zip(written, parsed, strict=True)):
            yield from _unknown(one, other, f"{place}.{number}")


@functools.cache
def house_contract(name: str) -> Contract:
    """The contract of one of the pipeline's own tables: raw, clean, windows, scores and so on."""
    return read_contract(ODCS / f"{name}.yaml")


def _column(prop: SchemaProperty, path: Path) -> Column:
    if not prop.name:
        raise SpecError(f"{path}: a property of the schema has no name.")
    if prop.logicalType not in KINDS:
        raise SpecError(f"{path}: {prop.name} has logicalType {prop.logicalType!r}, which no table column has.")
    return Column(
        name=prop.name,
        kind=KINDS[prop.logicalType],
        arrow=prop.physicalType if prop.physicalType in ARROW else None,
        required=bool(prop.required),
        key=bool(prop.primaryKey),
    )


def _custom(table: SchemaObject, name: str) -> Any:
    found = [entry.value for entry in table.customProperties or [] if entry.property == name]
    return found[0] if found else None


def _freshness(parsed: OpenDataContractStandard, path: Path) -> str | None:
    promised = [sla for sla in parsed.slaProperties or [] if sla.property == "freshness"]
    if not promised:
        return None
    value, unit = promised[0].value, promised[0].unit or "d"
    if unit not in UNITS or isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SpecError(f"{path}: freshness is {value!r} {unit}; write a number, and a unit of {', '.join(UNITS)}.")
    return f"{value}{UNITS[unit]}"
