"""Compile an Open Data Contract Standard document to the contract of one table."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty
from pydantic import BaseModel, ValidationError

from data_contracts import property_options
from data_contracts.column_types import KINDS, PropertyRef, physical
from data_contracts.contract import Column, Contract
from data_contracts.errors import SpecError
from data_contracts.rules import QualityRule, compile_rules, custom, informal_rules
from data_contracts.service_levels import parse_service_levels
from data_contracts.yaml_reader import read_document, spec_error_from

ODCS = Path(__file__).parent / "odcs"


def read_contract(path: Path) -> Contract:
    """Compile the ODCS v3 document at `path`.

    Returns:
        The contract of the one table that the document describes.

    Raises:
        SpecError: The document is missing, is not valid YAML, or contains a field, type, rule or service level that
            the standard or this compiler does not know.
    """
    document = read_document(path)
    try:
        parsed = OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        invalid = spec_error_from(path, error)
        raise invalid from error
    if unknown := list(_unknown(document, parsed, "")):
        raise SpecError(f"{path}: the standard does not define {', '.join(unknown)}. Check the spelling.")
    if parsed.kind != "DataContract" or not parsed.schema_:
        raise SpecError(f"{path} is not a data contract: kind must be DataContract and schema must name a table.")
    if not (parsed.apiVersion or "v3").startswith("v3"):
        raise SpecError(f"{path} has apiVersion {parsed.apiVersion}. Only v3 is supported: write v3.1.0.")
    if len(parsed.schema_) != 1:
        raise SpecError(f"{path} describes {len(parsed.schema_)} tables. Write one contract for each table.")
    table = parsed.schema_[0]
    columns = tuple(_column(prop, path) for prop in table.properties or [])
    names = [column.name for column in columns]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(f"{path} defines {', '.join(duplicates)} more than once. Keep one of each.")
    try:
        return Contract(
            id=parsed.id or path.stem.removesuffix(".odcs"),
            version=parsed.version or "0.0.0",
            columns=columns,
            rules=_rules(table, columns, path),
            extra_columns_pattern=custom(table.customProperties, "otherColumns"),
            levels=parse_service_levels(parsed, path),
            row_faults=custom(table.customProperties, "rowFaults") or "error",
            title=parsed.name or "",
            purpose=(parsed.description.purpose or "") if parsed.description else "",
            informal_rules=informal_rules(table),
        )
    except ValidationError as error:
        invalid = spec_error_from(path, error)
        raise invalid from error


def _unknown(written: Any, parsed: Any, parent: str) -> Iterator[str]:
    """Yield the fields of the document that the model of the standard does not have."""
    if isinstance(parsed, BaseModel):
        fields = {field.alias or name: getattr(parsed, name) for name, field in type(parsed).model_fields.items()}
        for name, value in written.items():
            path = f"{parent}.{name}" if parent else str(name)
            yield from _unknown(value, fields[name], path) if name in fields else (path,)
    elif isinstance(parsed, list):
        for index, (entry, model) in enumerate(zip(written, parsed, strict=True)):
            yield from _unknown(entry, model, f"{parent}.{index}")


@functools.cache
def builtin_contract(name: str) -> Contract:
    """Return the contract of one of the pipeline's own tables: raw, clean, windows, scores and so on."""
    return read_contract(ODCS / f"{name}.yaml")


def _column(prop: SchemaProperty, path: Path) -> Column:
    if not prop.name:
        raise SpecError(f"{path}: a property of the schema has no name.")
    what = f"{path}: {prop.name}"
    if prop.logicalType not in KINDS:
        known = ", ".join(str(word) for word in KINDS if word)
        raise SpecError(f"{what} has logicalType {prop.logicalType!r}. Supported for a table column: {known}.")
    try:
        physical_kind, arrow = physical(prop.physicalType)
    except ValueError as wrong:
        raise SpecError(f"{what} has physicalType {prop.physicalType!r}: {wrong}.") from wrong
    kind = KINDS[prop.logicalType] if prop.logicalType else physical_kind
    unit = custom(prop.customProperties, "unit")
    return Column(
        name=prop.physicalName or prop.name,
        kind=kind,
        arrow=arrow if physical_kind == kind else None,  # numbers stored as text: the logical type counts
        required=bool(prop.required),
        key=bool(prop.primaryKey),
        unit=None if unit is None else str(unit),
        description=" ".join((prop.description or "").split()),
        examples=tuple(str(example) for example in prop.examples or ()),
        **property_options.time_options(prop, kind, what),
    )


def _rules(table: SchemaObject, columns: tuple[Column, ...], path: Path) -> tuple[QualityRule, ...]:
    """Return the quality rules of the document, then those that its properties imply."""
    known = {
        str(prop.name): PropertyRef(column.name, column.kind)
        for prop, column in zip(table.properties or [], columns, strict=True)
    }
    rules = compile_rules(table, known, path)
    row_faults = str(custom(table.customProperties, "rowFaults") or "error")
    for prop in table.properties or []:
        rules += property_options.implied_rules(prop, known[str(prop.name)], row_faults, f"{path}: {prop.name}")
    return rules
