"""What `nightcast check` does: the steps' own reading and rules, with nothing computed beyond and nothing written."""

from typing import Any

import pandas as pd

from data_contracts.errors import ContractBroken
from flows.settings import Settings
from flows.spec import PipelineSpec
from models.panel import Panel
from models.windows import SPLITS, cut_index
from tasks import _grid
from tasks._faults import sentence
from tasks.ingestion import as_known, in_our_words, read_source
from tasks.validation import find_faults


def inspect(pipeline: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """(facts, the same as text). Raises SpecError or ContractBroken with what is wrong."""
    spec = PipelineSpec.read(pipeline, Settings().pipelines)
    moment, reading = spec.instant(as_of), spec.reading
    table = in_our_words(read_source(reading.source), reading)
    raw = as_known(table, reading, moment).to_pandas()
    frame, faults = find_faults(raw, reading, moment)
    findings = [sentence(fault, raw) for fault in faults]
    stopping = [found for found, fault in zip(findings, faults, strict=True) if fault.severity == "error"]
    bad = {row for fault in faults for row in fault.rows}
    kept = frame[~frame["row"].isin(bad)]
    observed = kept[(kept["ds"] < reading.moment(moment)) & kept["y"].notna()]
    if observed.empty and not stopping:
        stopping = [f"no row has a value of {reading.columns.y!r} before the as-of {moment:%Y-%m-%d %H:%M} UTC"]
    if stopping:
        raise ContractBroken(f"the source {reading.source.shown} of pipeline {spec.name!r}", stopping)
    cutoff = observed["ds"].max()
    clean = _grid.on_grid(kept, _grid.steps(kept["ds"], reading.freq, reading.horizon), cutoff, reading)
    ahead = [sentence(fault, raw) for fault in _grid.unknown_ahead(clean, cutoff, reading)]
    if ahead:
        raise ContractBroken(f"the source {reading.source.shown} of pipeline {spec.name!r}", ahead)
    index = cut_index(Panel.from_frame(clean, spec.view), spec.windowing, cutoff, spec.evaluation.windows)
    windows = {name: int((index.split == code).sum()) for code, name in enumerate(SPLITS)}
    facts = {
        "pipeline": spec.name,
        "rows": len(raw),
        "series": int(clean["unique_id"].nunique()),
        "first": frame["ds"].min().isoformat(),
        "cutoff": cutoff.isoformat(),
        "gaps": int(clean.loc[clean["ds"] <= cutoff, "y"].isna().sum()),
        "windows": windows,
        "models": [model.name for model in spec.models],
        "warnings": findings,
        "outcome": "good",
    }
    return facts, _told(facts, pd.Timestamp(cutoff))


def _told(facts: dict[str, Any], cutoff: pd.Timestamp) -> str:
    lines = [
        f"{facts['pipeline']} is in order: {facts['rows']:,} rows, {facts['series']} series, "
        f"{facts['first'][:16]} to {cutoff:%Y-%m-%d %H:%M} UTC, {facts['gaps']:,} gaps",
        "windows: " + ", ".join(f"{count:,} {name}" for name, count in facts["windows"].items()),
        f"models: {', '.join(facts['models'])}",
    ]
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])
