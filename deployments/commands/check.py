"""What `nightcast check` does: the steps' own reading and rules, with nothing computed beyond and nothing written."""

import time
from typing import Any

import pandas as pd

from deployments.commands.cost_estimate import costs, in_words
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.data.panel import Panel
from models.data.windows import SPLITS, cut_index
from models.devices import device_of
from tasks.ingestion import as_known, in_our_words
from tasks.quality.rule_dry_run import prove
from tasks.sources.read import read_source
from tasks.validation import broken, examine

MOST_NAMES = 20  # of columns that are not used, on the terminal


def inspect(pipeline: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """(facts, the same as text). Raises SpecError, ContractBroken or TooShort with what is wrong."""
    facts = inspected(PipelineSpec.read(pipeline, Settings().pipelines), as_of, timed=True)
    return facts, _told(facts)


def inspected(spec: PipelineSpec, as_of: str | None, timed: bool = False) -> dict[str, Any]:
    """What a night would meet; `timed`, also what it would cost here: a few steps of each network are trained."""
    started = time.perf_counter()
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
    panel = Panel.from_frame(told.clean, spec.view)
    index = cut_index(panel, spec.windowing, told.cutoff, spec.evaluation.windows)
    used = set(reading.chosen(every))
    read = time.perf_counter() - started
    return {
        "pipeline": spec.name,
        "rows": len(raw),
        "series": told.health.series,
        "first": told.clean["ds"].min().isoformat(),
        "cutoff": told.cutoff.isoformat(),
        "gaps": told.health.gaps,
        "quarantined": told.health.quarantined,
        "windows": {name: int((index.split == code).sum()) for code, name in enumerate(SPLITS)},
        "models": [recipe.model.name for recipe in spec.recipes],
        "ignored": [name for name in every if name not in used],
        "warnings": list(told.findings),
        **({"cost": costs(panel, index, spec.recipes, read)} if timed else {}),
        "outcome": "good",
    }


def _told(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['pipeline']} is in order: {facts['rows']:,} rows, {facts['series']} series, "
        f"{facts['first'][:16]} to {pd.Timestamp(facts['cutoff']):%Y-%m-%d %H:%M} UTC, {facts['gaps']:,} gaps",
        "windows: " + ", ".join(f"{count:,} {name}" for name, count in facts["windows"].items()),
        f"models: {', '.join(facts['models'])}",
        in_words(facts["cost"]),
    ]
    if facts["ignored"]:
        more = len(facts["ignored"]) - MOST_NAMES
        names = ", ".join(facts["ignored"][:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
        lines.append(f"columns of the source that are not used: {names}")
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])
