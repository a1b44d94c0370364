"""What `nightcast check` does: the steps' own reading and rules, with nothing computed beyond and nothing written."""

from typing import Any

import pandas as pd

from flows.settings import Settings
from flows.spec import PipelineSpec
from models.devices import device_of
from models.panel import Panel
from models.windows import SPLITS, cut_index
from tasks._proof import prove
from tasks.ingestion import as_known, in_our_words, read_source
from tasks.validation import broken, examine


def inspect(pipeline: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """(facts, the same as text). Raises SpecError or ContractBroken with what is wrong."""
    spec = PipelineSpec.read(pipeline, Settings().pipelines)
    device_of(spec.training.device)
    moment, reading = spec.instant(as_of), spec.reading
    if reading.contract:
        prove(reading.contract, reading.kinds)
    every: list[str] = []

    def chosen(names: list[str]) -> list[str]:
        every[:] = names
        return reading.chosen(names)

    table = in_our_words(read_source(reading.source, chosen, moment), reading)
    raw = as_known(table, reading, moment).to_pandas()
    told = examine(raw, reading, moment)
    if told.stopping or told.clean is None or told.health is None or told.cutoff is None:
        raise broken(reading, told.stopping, None)
    index = cut_index(Panel.from_frame(told.clean, spec.view), spec.windowing, told.cutoff, spec.evaluation.windows)
    windows = {name: int((index.split == code).sum()) for code, name in enumerate(SPLITS)}
    facts = {
        "pipeline": spec.name,
        "rows": len(raw),
        "series": told.health.series,
        "first": told.clean["ds"].min().isoformat(),
        "cutoff": told.cutoff.isoformat(),
        "gaps": told.health.gaps,
        "windows": windows,
        "models": [model.name for model in spec.models],
        "ignored": [name for name in every if name not in reading.chosen(every)],
        "warnings": list(told.findings),
        "outcome": "good",
    }
    return facts, _told(facts, told.cutoff)


def _told(facts: dict[str, Any], cutoff: pd.Timestamp) -> str:
    lines = [
        f"{facts['pipeline']} is in order: {facts['rows']:,} rows, {facts['series']} series, "
        f"{facts['first'][:16]} to {cutoff:%Y-%m-%d %H:%M} UTC, {facts['gaps']:,} gaps",
        "windows: " + ", ".join(f"{count:,} {name}" for name, count in facts["windows"].items()),
        f"models: {', '.join(facts['models'])}",
    ]
    if facts["ignored"]:
        lines.append(f"columns of the source that are not used: {', '.join(facts['ignored'])}")
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])
