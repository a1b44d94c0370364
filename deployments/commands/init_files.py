"""Renders the two files of `nightcast init`: a pipeline YAML and an ODCS contract that a person can read and edit.

The text of both files is in pipeline.yaml.j2 and contract.yaml.j2. Every name and path from the table passes through
PyYAML (filters `inline` and `block`), so that no name can change the structure of a file.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from models.data.calendar import default_calendar_features, steps_a_day
from tasks.profiling.column_types import ColumnProfile
from tasks.profiling.profile import TableProfile
from tasks.sources.columns_spec import RESERVED_COLUMNS

MAX_CONTRACT_COLUMNS = 60  # the contract of a wider table has only the columns that the pipeline uses
MAX_LOOKBACK_WITHOUT_SEGMENTS = 200  # steps; a network that reads more of them one at a time is slow
YAML_WIDTH = 120
YAML_LINE_START = re.compile("(^|[\n\x85\u2028\u2029])(?=[^\n\x85\u2028\u2029])")
LOGICAL_TYPES = {
    "integer": "integer",
    "number": "number",
    "text": "string",
    "boolean": "boolean",
    "time": "timestamp",
}


def render_pipeline(profile: TableProfile, name: str, path: str, schema: str | None) -> str:
    """Render the pipeline YAML.

    Args:
        profile: the inferred pipeline.
        name: the pipeline's name.
        path: the table's address as seen from the YAML's folder.
        schema: path of the JSON schema as seen from there, for editors; None omits it.

    Returns:
        The text of NAME.yaml.
    """
    return (
        _templates()
        .get_template("pipeline.yaml.j2")
        .render(
            profile=profile,
            name=name,
            path=path,
            schema=schema,
            source=_source_fields(profile, path),
            columns=_column_fields(profile),
            known=[
                *([] if profile.source.format == "steps" else default_calendar_features(profile.freq)),
                *profile.known,
            ],
            windowing={"lookback": profile.lookback, "horizon": profile.horizon}
            | ({"refresh": profile.refresh} if profile.refresh else {}),
            models=_models(profile),
        )
    )


def render_contract(profile: TableProfile, name: str, path: str) -> str:
    """Render the ODCS contract: properties that the table has today and that later tables must have too.

    Args:
        profile: the inferred pipeline.
        name: the pipeline's name, which becomes the contract's id.
        path: the table's address as seen from the contract's folder.

    Returns:
        The text of NAME.odcs.yaml.
    """
    return (
        _templates()
        .get_template("contract.yaml.j2")
        .render(
            name=name,
            path=path,
            table=re.sub(r"[^a-z0-9]+", "_", name),
            source_kind=profile.source.kind,
            purpose=f"The source of the pipeline {name}, as `nightcast init` found it: {profile.rows:,} rows.",
            properties=[_property_fields(column, profile) for column in _contract_columns(profile)],
        )
    )


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - the files are YAML, not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = _inline_yaml
    environment.filters["block"] = _block_yaml
    environment.filters["comment"] = _comment_text
    return environment


def _source_fields(profile: TableProfile, path: str) -> dict[str, Any]:
    source = profile.source
    fields: dict[str, Any] = {"kind": source.kind}
    fields |= {"url": path, "table": source.table} if source.kind == "sql" else {"path": path}
    fields |= {"decimal": ","} if source.decimal == "," else {}
    fields |= {"thousands": source.thousands} if source.thousands else {}
    fields |= {"missing": [_whole(sign) for sign in source.missing]} if source.missing else {}
    fields |= {"sheet": source.sheet} if source.sheet else {}
    fields |= {"encoding": source.encoding} if source.encoding != "utf-8" else {}
    fields |= {"epoch": source.epoch} if source.epoch else {}
    fields |= {"format": source.format} if source.format else {}
    fields |= {"stamps": source.stamps} if source.stamps else {}
    return fields | ({"timezone": source.timezone} if source.timezone else {})


def _whole(sign: str | float) -> str | float:
    return int(sign) if isinstance(sign, float) and sign.is_integer() else sign


def _column_fields(profile: TableProfile) -> dict[str, Any]:
    ids = profile.unique_id
    fields: dict[str, Any] = {"unique_id": list(ids) if isinstance(ids, tuple) else ids} if ids else {}
    fields |= {
        "ds": list(profile.time_parts) or profile.ds,
        "y": list(profile.y) if isinstance(profile.y, tuple) else profile.y,
    }
    return fields | ({"known_at": profile.known_at} if profile.known_at else {})


def _models(profile: TableProfile) -> list[dict[str, Any]]:
    """Return two networks; a long lookback is read in segments of an hour, because single steps are slow."""
    day = steps_a_day(profile.freq)
    models: list[dict[str, Any]] = [{"cell": "lstm"}, {"cell": "gru"}]
    if profile.lookback <= MAX_LOOKBACK_WITHOUT_SEGMENTS or profile.lookback >= 4 * day:
        return models
    return [model | {"segment": max(1, min(day // 24, profile.lookback // 16))} for model in models]


def _contract_columns(profile: TableProfile) -> list[ColumnProfile]:
    used = {
        *profile.id_columns,
        *(profile.time_parts or (profile.ds,)),
        profile.known_at,
        *profile.targets,
        *profile.known,
        *profile.observed,
        *profile.static,
    }
    columns = [
        column
        for column in profile.columns
        if column.name.strip()
        and column.kind != "nested"
        and (column.name in used or column.name not in RESERVED_COLUMNS)
    ]
    return columns if len(columns) <= MAX_CONTRACT_COLUMNS else [column for column in columns if column.name in used]


def _property_fields(column: ColumnProfile, profile: TableProfile) -> dict[str, Any]:
    """Return one ODCS property; its type is stated if the pipeline uses the column or the file declares the type."""
    name, key = column.name, [*profile.id_columns, *(profile.time_parts or (profile.ds,))]
    fields: dict[str, Any] = {"name": name}
    if logical_type := _logical_type(column, profile):
        fields["logicalType"] = logical_type
    if name in key:
        fields |= {"required": True, "primaryKey": True, "primaryKeyPosition": key.index(name) + 1}
    if name == profile.ds and profile.format:
        fields["logicalTypeOptions"] = {"format": profile.format}
    if name in profile.targets and profile.minimum is not None:
        fields["logicalTypeOptions"] = {"minimum": 0}
    return fields


def _logical_type(column: ColumnProfile, profile: TableProfile) -> str | None:
    if column.name in profile.targets:
        return "integer" if profile.whole else "number"
    if column.name in profile.id_columns:
        return "integer" if column.typed and column.kind == "integer" else "string"
    if column.name in (profile.ds, profile.known_at):
        return "timestamp"
    if column.name in (*profile.known, *profile.observed):
        return "number" if column.kind != "boolean" else None
    return LOGICAL_TYPES.get(column.kind) if column.typed or column.kind == "text" else None


def _inline_yaml(value: Any) -> str:
    """Write a value on one line, quoted where YAML needs it."""
    text = yaml.safe_dump([value], default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
    return text.strip()[1:-1]


def _block_yaml(value: dict[str, Any], indent: int = 0) -> str:
    """Write a mapping in block style, each line indented, without the last line break."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=YAML_WIDTH - indent)
    return YAML_LINE_START.sub(lambda match: match[0] + " " * indent, text).removesuffix("\n")


def _comment_text(text: str) -> str:
    return " ".join(text.split())[:100]
