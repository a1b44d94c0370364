"""`nightcast quarantine`: list and export the rows that a night rejected, with the fix for each rule."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from data_contracts.errors import NightcastError, SpecError
from deployments.commands.show import NoForecastYet
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from tasks.quality.quarantine import RuleSummary, count_formulas, export_rows, summarize_by_rule, to_source_rows
from tasks.quality.remedies import find_remedy
from tasks.results.manifest import RunManifest, read_all
from tasks.sources.read import read_source
from tasks.storage import files
from tasks.storage.store import Store

MAX_LISTED_SERIES = 6


def list_rejected(pipeline: str, as_of: str | None, export: str | None, force: bool) -> tuple[dict[str, Any], str]:
    """Return (facts, the same as text) about the rejected rows of one night, by default the newest.

    Raises:
        SpecError: there was no night at `as_of`, or the file `export` exists and `force` is not set.
        NoForecastYet: the store has no night of this pipeline.
    """
    settings = Settings()
    spec, store = PipelineSpec.read(pipeline, settings.pipelines), settings.opened_store
    if export and Path(export).exists() and not force:
        raise SpecError(
            f"{export} already exists and was not changed. Choose another name, or overwrite it with --force."
        )
    night = _find_night(spec, as_of, pipeline, store)
    uri = night.quarantine
    facts: dict[str, Any] = {"pipeline": spec.name, "as_of": night.as_of_text, "outcome": night.outcome, "rows": 0,
                             "quarantine": uri, "rules": [], "exported": None, "warnings": []}  # fmt: skip
    if uri is None:
        return facts, f"{spec.name}, the night as of {night.as_of_text[:16]}: no rows are in quarantine."
    rows = store.get(store.table_at(uri, "quarantine"))
    facts["rows"] = len(rows)
    facts["rules"] = [_with_remedy(rule, spec, pipeline) for rule in summarize_by_rule(rows)]
    if export:
        facts["warnings"] = _export(rows, spec, export)
        facts["exported"] = export
    return facts, _format(facts, store)


def _find_night(spec: PipelineSpec, as_of: str | None, pipeline: str, store: Store) -> RunManifest:
    """Return the manifest of the requested night; of several runs, the one that ended last."""
    runs = read_all(store, spec.name)
    if not runs:
        raise NoForecastYet(
            f"pipeline {spec.name!r} has no night in this store yet. Run `nightcast nightly {pipeline}` first."
        )
    if as_of is None:
        return runs[-1]
    moment = spec.parse_as_of(as_of)
    matches = [run for run in runs if run.as_of == moment]
    if not matches:
        newest = ", ".join(dict.fromkeys(run.as_of_text[:16] for run in runs[-4:]))
        raise SpecError(f"no night has the as-of {moment:%Y-%m-%d %H:%M} UTC. The newest nights are as of {newest}.")
    return matches[-1]


def _with_remedy(rule: RuleSummary, spec: PipelineSpec, pipeline: str) -> dict[str, Any]:
    remedy = find_remedy(rule.rule, spec.compiled_contract, pipeline)
    return rule._asdict() | {"first": list(rule.first), "asks": remedy.requirement, "way_out": remedy.fix}


def _export(rows: pd.DataFrame, spec: PipelineSpec, export: str) -> list[str]:
    """Write the rows in the format of the source and return warnings about the file."""
    reading, target = spec.dataset, Path(export)
    schema: pa.Schema | None = None
    warnings = []
    try:
        schema = read_source(reading.source, optional=None).schema
    except NightcastError as error:
        warnings.append(f"the source cannot be read now, so columns are in the order of the pipeline: {error}")
    table = to_source_rows(rows, reading, schema)
    if schema and (missing := [name for name in schema.names if name not in table]):
        warnings.append(
            f"columns missing in the export, because neither pipeline nor contract names them: {', '.join(missing)}"
        )
    if target.suffix == ".csv" and (count := count_formulas(table)):
        warnings.append(
            f"values that begin with =, +, - or @ and are not numbers: {count}. They are exported unchanged,"
            " so that they can be read back; a spreadsheet may run them as formulas. Open the file as text, or"
            " export .parquet"
        )
    files.write(str(target.parent), target.name, export_rows(table, target.suffix, reading.source, schema))
    return warnings


def _format(facts: dict[str, Any], store: Store) -> str:
    lines = [
        f"{facts['pipeline']}, the night as of {facts['as_of'][:16]} ({facts['outcome']}): "
        f"{counted(facts['rows'])} in quarantine"
    ]
    for rule in facts["rules"]:
        listed = [f"{name} {count:,}" for name, count in list(rule["series"].items())[:MAX_LISTED_SERIES]]
        more = len(rule["series"]) - len(listed)
        rows = ", ".join(map(str, rule["first"])) + (" …" if rule["rows"] > len(rule["first"]) else "")
        lines += [
            f"  {rule['rule']}: {counted(rule['rows'])}",
            f"    series    {', '.join(listed)}{f' and {more} more' if more > 0 else ''}",
            f"    rows      {rows} of the source, counted from 0",
            f"    reason    {rule['reason']}",
            f"    requires  {rule['asks']}",
            f"    fix       {rule['way_out']}",
        ]
    lines.append(f"All rows, each with its rule and reason: {store.root.rstrip('/')}/{facts['quarantine']}")
    if facts["exported"]:
        lines.append(
            f"Exported with the columns of the source: {facts['exported']}. "
            "Correct the rows, then add them to the source."
        )
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])


def counted(rows: int) -> str:
    """Return the number of rows with the noun: `1 row`, `1,234 rows`."""
    return f"{rows:,} row{'' if rows == 1 else 's'}"
