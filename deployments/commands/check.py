"""What `nightcast check` does: the steps' own reading and rules, with nothing computed beyond and nothing written."""

import time
from typing import Any

import pandas as pd

from deployments.commands.cost_estimate import estimate_costs, format_costs
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.data.panel import Panel
from models.data.windows import SPLITS, build_window_index
from models.devices import device_of
from tasks.ingestion import filter_as_of, to_canonical_columns
from tasks.quality.rule_dry_run import dry_run_rules
from tasks.sources.read import read_source
from tasks.validation import contract_error, examine

MOST_NAMES = 20  # of columns that are not used, on the terminal


def check_pipeline(pipeline: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """(facts, the same as text). Raises SpecError, ContractBroken or TooShort with what is wrong."""
    facts = describe_check(PipelineSpec.read(pipeline, Settings().pipelines), as_of, timed=True)
    return facts, _told(facts)


def describe_check(spec: PipelineSpec, as_of: str | None, timed: bool = False) -> dict[str, Any]:
    """What a night would meet; `timed`, also what it would cost here: a few steps of each network are trained."""
    started = time.perf_counter()
    device_of(spec.training.device)
    moment, reading = spec.parse_as_of(as_of), spec.dataset
    if reading.contract:
        dry_run_rules(reading.contract, reading.kinds)
    every: list[str] = []

    def chosen(names: list[str]) -> list[str]:
        every[:] = names
        return reading.chosen(names)

    table = to_canonical_columns(read_source(reading.source, chosen, moment), reading)
    raw = filter_as_of(table, reading, moment).to_pandas()
    told = examine(raw, reading, moment)
    if told.stopping or told.clean is None or told.health is None or told.cutoff is None:
        raise contract_error(reading, told.stopping, None)
    panel = Panel.from_frame(told.clean, spec.input_spec)
    index = build_window_index(panel, spec.windowing, told.cutoff, spec.evaluation.windows)
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
        **({"cost": estimate_costs(panel, index, spec.recipes, read)} if timed else {}),
        "outcome": "good",
    }


def _told(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['pipeline']} is in order: {facts['rows']:,} rows, {facts['series']} series, "
        f"{facts['first'][:16]} to {pd.Timestamp(facts['cutoff']):%Y-%m-%d %H:%M} UTC, {facts['gaps']:,} gaps",
        "windows: " + ", ".join(f"{count:,} {name}" for name, count in facts["windows"].items()),
        f"models: {', '.join(facts['models'])}",
        format_costs(facts["cost"]),
    ]
    if facts["ignored"]:
        more = len(facts["ignored"]) - MOST_NAMES
        names = ", ".join(facts["ignored"][:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
        lines.append(f"columns of the source that are not used: {names}")
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])
