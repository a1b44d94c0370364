"""What `nightcast quarantine` prints and exports: the rows that a night did not use, and how to get them back."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from data_contracts.errors import NightcastError, SpecError
from deployments.commands.show import NoForecastYet
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from tasks.quality.quarantine import RuleSummary, export_rows, formulas, summarize_by_rule, to_source_rows
from tasks.quality.remedies import find_remedy
from tasks.results.manifest import RunManifest, read_all
from tasks.sources.read import read_source
from tasks.storage import files
from tasks.storage.store import Store

MOST = 6  # series that are named


def list_rejected(pipeline: str, as_of: str | None, export: str | None, force: bool) -> tuple[dict[str, Any], str]:
    """(facts, the same as text) of one night, by default the newest. Raises NothingYet, SpecError."""
    settings = Settings()
    spec, store = PipelineSpec.read(pipeline, settings.pipelines), settings.opened_store
    if export and Path(export).exists() and not force:
        raise SpecError(f"{export} is there already, and is left as it is. Choose another name, or --force it.")
    night = _night(spec, as_of, pipeline, store)
    uri = night.quarantine
    facts: dict[str, Any] = {"pipeline": spec.name, "as_of": night.as_of_text, "outcome": night.outcome, "rows": 0,
                             "quarantine": uri, "rules": [], "exported": None, "warnings": []}  # fmt: skip
    if uri is None:
        return facts, f"{spec.name}, the night as of {night.as_of_text[:16]}: nothing lies in quarantine."
    rows = store.get(store.table_at(uri, "quarantine"))
    facts["rows"] = len(rows)
    facts["rules"] = [_explained(one, spec, pipeline) for one in summarize_by_rule(rows)]
    if export:
        facts["warnings"] = _export(rows, spec, export)
        facts["exported"] = export
    return facts, _told(facts, store)


def _night(spec: PipelineSpec, as_of: str | None, pipeline: str, store: Store) -> RunManifest:
    """The record of the night asked for; of several runs of it the one that ended last."""
    records = read_all(store, spec.name)
    if not records:
        raise NoForecastYet(
            f"pipeline {spec.name!r} has no night in this store yet. Run `nightcast nightly {pipeline}` first."
        )
    if as_of is None:
        return records[-1]
    moment = spec.parse_as_of(as_of)
    found = [one for one in records if one.as_of == moment]
    if not found:
        known = ", ".join(dict.fromkeys(one.as_of_text[:16] for one in records[-4:]))
        raise SpecError(f"there was no night as of {moment:%Y-%m-%d %H:%M} UTC; the newest were as of {known}.")
    return found[-1]


def _explained(one: RuleSummary, spec: PipelineSpec, pipeline: str) -> dict[str, Any]:
    remedy = find_remedy(one.rule, spec.compiled_contract, pipeline)
    return one._asdict() | {"first": list(one.first), "asks": remedy.requirement, "way_out": remedy.fix}


def _export(rows: pd.DataFrame, spec: PipelineSpec, export: str) -> list[str]:
    """Write the rows as the source would have them; what a person should know of the file."""
    reading, target = spec.dataset, Path(export)
    schema: pa.Schema | None = None
    warnings = []
    try:
        schema = read_source(reading.source).schema
    except NightcastError as gone:
        warnings.append(f"the source can't be read now, so columns are in the order of the pipeline: {gone}")
    table = to_source_rows(rows, reading, schema)
    if schema and (lost := [name for name in schema.names if name not in table]):
        warnings.append(f"not in the export, as neither pipeline nor contract names them: {', '.join(lost)}")
    if target.suffix == ".csv" and (count := formulas(table)):
        warnings.append(
            f"values that begin with =, +, - or @ and are no numbers: {count}; they are exported as they are, to be"
            " read back, and a spreadsheet may run them as formulas: open the file as text, or export .parquet"
        )
    files.write(str(target.parent), target.name, export_rows(table, target.suffix, reading.source, schema))
    return warnings


def _told(facts: dict[str, Any], store: Store) -> str:
    lines = [
        f"{facts['pipeline']}, the night as of {facts['as_of'][:16]} ({facts['outcome']}): "
        f"{counted(facts['rows'])} in quarantine"
    ]
    for one in facts["rules"]:
        shown = [f"{name} {count:,}" for name, count in list(one["series"].items())[:MOST]]
        more = len(one["series"]) - len(shown)
        rows = ", ".join(map(str, one["first"])) + (" …" if one["rows"] > len(one["first"]) else "")
        lines += [
            f"  {one['rule']}: {counted(one['rows'])}",
            f"    series   {', '.join(shown)}{f' and {more} more' if more > 0 else ''}",
            f"    rows     {rows} of the source, counted from 0",
            f"    reason   {one['reason']}",
            f"    asks     {one['asks']}",
            f"    way out  {one['way_out']}",
        ]
    lines.append(f"All of them, each with its rule and reason: {store.root.rstrip('/')}/{facts['quarantine']}")
    if facts["exported"]:
        lines.append(
            f"Exported as the source has them: {facts['exported']}. Mend them and bring them back with the source."
        )
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])


def counted(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"
