"""`nightcast check`: read and validate as the steps do, without computing more and without writing anything."""

import time
from typing import Any

import pandas as pd

from data_contracts.errors import NightcastError
from data_contracts.expiry import expiry_warning, require_current
from deployments.commands.cost_estimate import estimate_costs, format_costs
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.data.panel import Panel
from models.data.windows import build_window_index
from models.streaming.obstacles import describe_streaming
from tasks.engine.execution import ExecutionSpec, engine_fault
from tasks.history.changes import describe_level_change
from tasks.history.reader import PublishedReader
from tasks.intake.examination import examine_source
from tasks.intake.partition_size import partitions_of
from tasks.modeling.size_limits import check_forecast_size, check_network_size
from tasks.quality.rule_dry_run import dry_run_rules
from tasks.registry.reachability import describe_fault
from tasks.validation import contract_error

MAX_LISTED_COLUMNS = 20  # unused columns that the terminal lists


def check_pipeline(pipeline: str, as_of: str | None) -> tuple[dict[str, Any], str]:
    """Check a pipeline and return (facts, the same as text).

    Returns:
        The facts for `--json`, and the text.

    Raises:
        SpecError: the spec, an argument or the engine of the environment is wrong.
        ContractBroken: the data break the contract.
        HistoryTooShort: the history is too short for the windows.
    """
    facts = describe_check(PipelineSpec.read(pipeline, Settings().pipelines), as_of, timed=True)
    return facts, _format(facts)


def describe_check(spec: PipelineSpec, as_of: str | None, timed: bool = False) -> dict[str, Any]:
    """Return the facts of a check; if `timed`, also the cost of a night, from a few training steps per network."""
    from models.training.precision import require_hardware  # loads torch

    started = time.perf_counter()
    require_hardware(spec.training)
    execution = Settings().execution  # raises if its package or its address is missing, as the night would
    moment, reading = spec.parse_as_of(as_of), spec.dataset
    expiry = ""
    if reading.contract:
        require_current(reading.contract, moment)
        expiry = expiry_warning(reading.contract, moment)
        dry_run_rules(reading.contract, reading.column_types)
    source_columns: list[str] = []

    def choose_columns(names: list[str]) -> list[str]:
        source_columns[:] = names
        return reading.select_columns(names)

    with partitions_of(Settings().partition_rows):
        result = examine_source(reading, moment, choose_columns)
    if result.stopping or result.panel is None or result.health is None or result.cutoff is None:
        raise contract_error(reading, result.stopping, None)
    panel = Panel.from_table(result.panel, spec.input_spec)
    check_forecast_size(panel, spec.evaluation)
    for recipe in spec.recipes:
        check_network_size(recipe)
    index = build_window_index(panel, spec.windowing, result.cutoff, spec.evaluation.windows)
    used = set(reading.select_columns(source_columns))
    registry = Settings().registry_problem or describe_fault(Settings().readable_tracking)
    read_seconds = time.perf_counter() - started
    return {
        "pipeline": spec.name,
        "rows": result.health.read + result.health.known_ahead + result.health.superseded,
        "series": result.health.series,
        "first": result.panel.times[0].isoformat(),
        "cutoff": result.panel.newest_known().isoformat(),
        "gaps": result.health.gaps,
        "quarantined": result.health.quarantined,
        "held_back": result.health.held_back,
        "closed": list(result.health.closed),
        "windows": {name: len(windows) for name, windows in index.parts.items()},
        "models": [recipe.model.name for recipe in spec.recipes],
        "real_time": [describe_streaming(recipe.model, recipe.view) for recipe in spec.recipes],
        "ignored": [name for name in source_columns if name not in used],
        "warnings": [*result.findings, *filter(None, (registry, _engine_warning(execution), expiry))],
        "notes": [*result.notes, *_level_change(spec)],
        **({"cost": estimate_costs(panel, index, spec.recipes, read_seconds)} if timed else {}),
        "outcome": "good",
    }


def _engine_warning(execution: ExecutionSpec) -> str:
    """Return that the cluster of NIGHTCAST_ENGINE does not answer, and what to do; empty if it does."""
    fault = engine_fault(execution)
    if not fault:
        return ""
    return (
        f"{fault}: this machine does its work. Start its scheduler and workers, correct NIGHTCAST_ENGINE_ADDRESS, or "
        "set NIGHTCAST_ENGINE=local."
    )


def _level_change(spec: PipelineSpec) -> list[str]:
    """Say how the quantile levels differ from those of the newest vintage, if there is one that can be read."""
    reader = PublishedReader(pipeline=spec.name, store=Settings().opened_store)
    try:
        columns = reader.forecasts().column_names
    except NightcastError:  # nothing is published yet, or the store cannot be read, which other checks say
        return []
    change = describe_level_change(columns, spec.forecast.quantiles)
    return [change] if change else []


def _format(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['pipeline']} is valid: {facts['rows']:,} rows, {facts['series']} series, "
        f"{facts['first'][:16]} to {pd.Timestamp(facts['cutoff']):%Y-%m-%d %H:%M} UTC, {facts['gaps']:,} gaps",
        "windows: " + ", ".join(f"{count:,} {name}" for name, count in facts["windows"].items()),
        f"models: {', '.join(facts['models'])}",
        *(f"real time: {sentence}" for sentence in facts["real_time"]),
        format_costs(facts["cost"]),
    ]
    if facts["ignored"]:
        more = len(facts["ignored"]) - MAX_LISTED_COLUMNS
        names = ", ".join(facts["ignored"][:MAX_LISTED_COLUMNS]) + (f" and {more:,} more" if more > 0 else "")
        lines.append(f"unused columns of the source: {names}")
    lines += [f"note: {note}" for note in facts["notes"]]
    return "\n".join(lines + [f"warning: {warning}" for warning in facts["warnings"]])
