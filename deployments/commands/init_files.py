"""What `nightcast init` writes: a guess as a pipeline YAML and an ODCS contract that a person can read and change."""

import re
from typing import Any

import yaml

from data_contracts.errors import SpecError
from models.data.calendar import default_words, steps_a_day
from tasks.profiling.column_types import ColumnProfile
from tasks.profiling.profile import TableProfile
from tasks.sources.dataset import RESERVED_COLUMNS

MOST_PROMISED = 60  # columns of a contract; of a wider table only those that are used
LONG = 200  # steps that a network reads one at a time
LOGICAL = {"integer": "integer", "number": "number", "text": "string", "boolean": "boolean", "time": "timestamp"}


def name_of(where: str) -> str:
    """A pipeline's name from a path: `Sales 2024.csv.gz` is sales-2024. Raises SpecError where nothing is left."""
    parts = [part for part in where.split("/") if part and not re.search(r"[*?\[]", part)]
    stem = parts[-1].split(".")[0].lower() if parts else ""
    plain = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63].rstrip("-")
    if not plain:
        raise SpecError(f"{where!r} gives no name for a pipeline; choose one of a-z, 0-9 and - with --name.")
    return plain


def pipeline_text(found: TableProfile, name: str, path: str, schema: str | None) -> str:
    """The YAML; `path` is the table's as the YAML shall give it, `schema` the way to the JSON schema."""
    source: dict[str, Any] = {"kind": found.source.kind}
    source |= {"url": path, "table": found.source.table} if found.source.kind == "sql" else {"path": path}
    source |= {"decimal": ","} if found.source.decimal == "," else {}
    source |= {"encoding": found.source.encoding} if found.source.encoding != "utf-8" else {}
    source |= {"epoch": found.source.epoch} if found.source.epoch else {}
    source |= {"timezone": found.source.timezone} if found.source.timezone else {}
    columns: dict[str, Any] = {"unique_id": found.unique_id} if found.unique_id else {}
    columns |= {"ds": found.ds, "y": list(found.y) if isinstance(found.y, tuple) else found.y}
    columns |= {"known_at": found.known_at} if found.known_at else {}
    windows: dict[str, Any] = {"lookback": found.lookback, "horizon": found.horizon}
    windows |= {"refresh": found.refresh} if found.refresh else {}
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [
        f"# Guessed by `nightcast init` from {_plain(path)}. Change what is wrong, then: nightcast check {name}.yaml",
        f"name: {name}",
        f"contract: {name}.odcs.yaml # what the table promises, and what becomes of rows that break it",
        f"source: {_flow(source)}",
        f"columns: {_flow(columns)} # yours on the right",
        f"freq: {_flow(found.freq)}",
        *_features(found),
        *_cleaning(found),
        f"windowing: {_flow(windows)} # steps looked back, steps forecast",
        f"models: {_flow(_models(found))} # judged beside five baselines; hidden: 64 and layers: 1 by default",
        "training: {max_epochs: 20} # quick and decent; 30 by default",
        "memory: {reference_steps: 0} # 100 draws cells that no model has, for comparison",
        *([f"evaluation: {{season: {found.season}}}"] if found.season else []),
        *(["forecast: {minimum: 0} # no value was below 0"] if found.minimum is not None else []),
        f"schedule: {{timezone: {_flow(found.zone)}}} # the clock of hours, and of an --as-of date",
    ]
    return "\n".join(lines) + "\n"


def _models(found: TableProfile) -> list[dict[str, Any]]:
    """A long lookback is read an hour at a time where a day is too long: step by step is slow."""
    day = steps_a_day(found.freq)
    plain: list[dict[str, Any]] = [{"cell": "lstm"}, {"cell": "gru"}]
    if found.lookback <= LONG or found.lookback >= 4 * day:
        return plain
    return [model | {"segment": max(1, min(day // 24, found.lookback // 16))} for model in plain]


def _features(found: TableProfile) -> list[str]:
    known = list(default_words(found.freq))
    lines = ["features:", f"  known: {_flow(known)} # by the calendar; only what is known ahead may stand here"]
    lines += [f"  observed: {_flow(list(found.observed))} # seen up to the cutoff and not a step further"] if (
        found.observed) else []  # fmt: skip
    return lines + ([f"  static: {_flow(list(found.static))} # one value a series"] if found.static else [])


def _cleaning(found: TableProfile) -> list[str]:
    if found.repeated == "reject":
        return []
    return [f"cleaning: {{repeated: {found.repeated}}} # rows of one series and time"]


def contract_text(found: TableProfile, name: str, path: str) -> str:
    """An ODCS document: what the table holds today, promised for tomorrow."""
    table = re.sub(r"[^a-z0-9]+", "_", name)
    properties = [_property(told, found) for told in _promised(found)]
    document: dict[str, Any] = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": "1.0.0",
        "status": "draft",
        "description": {
            "purpose": f"The source of the pipeline {name}, as `nightcast init` found it: {found.rows:,} rows.",
            "limitations": "Guessed from the data. What only a person knows (units, meaning) is to be added.",
        },
        "schema": [
            {
                "name": table,
                "physicalType": found.source.kind,
                "customProperties": [{"property": "rowFaults", "value": "warning"}],
                "quality": [
                    {"name": "there are rows", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 0,
                     "severity": "error"}
                ],
                "properties": properties,
            }
        ],
    }  # fmt: skip
    head = (
        f"# What {_plain(path)} promises, guessed by `nightcast init`.\n"
        "# Rows that break it go to quarantine and the night goes on (rowFaults: warning); with error it stops.\n"
        "# A living table should promise how old its newest row may be, as in\n"
        "#   slaProperties: [{property: freshness, value: 36, unit: h}]\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _promised(found: TableProfile) -> list[ColumnProfile]:
    used = {found.unique_id, found.ds, found.known_at, *found.targets, *found.observed, *found.static}
    every = [
        told for told in found.columns if told.name in used or (told.name not in RESERVED_COLUMNS and told.name.strip())
    ]
    return every if len(every) <= MOST_PROMISED else [told for told in every if told.name in used]


def _property(told: ColumnProfile, found: TableProfile) -> dict[str, Any]:
    """A kind is promised where it is used, or where the file itself says it."""
    key = [name for name in (found.unique_id, found.ds) if name]
    numbers = (*found.targets, *found.observed)
    promised: dict[str, Any] = {"name": told.name}
    if told.name in found.targets:
        promised["logicalType"] = "integer" if found.whole else "number"
    elif told.name == found.unique_id:
        promised["logicalType"] = "integer" if told.typed and told.kind == "integer" else "string"
    elif told.name in (found.ds, found.known_at):
        promised["logicalType"] = "timestamp"
    elif told.name in found.observed and told.kind != "boolean":
        promised["logicalType"] = "number"
    elif told.name not in numbers and (told.typed or told.kind == "text") and told.kind in LOGICAL:
        promised["logicalType"] = LOGICAL[told.kind]
    if told.name in key:
        promised |= {"required": True, "primaryKey": True, "primaryKeyPosition": key.index(told.name) + 1}
    if told.name == found.ds and found.format:
        promised["logicalTypeOptions"] = {"format": found.format}
    if told.name in found.targets and found.minimum is not None:
        promised["logicalTypeOptions"] = {"minimum": 0}
    return promised


def _flow(value: Any) -> str:
    text = yaml.safe_dump([value], default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
    return text.strip()[1:-1]


def _plain(path: str) -> str:
    return " ".join(path.split())[:100]
