"""Check the raw table: every row keeps the contract and is used, or goes to quarantine with the rule it broke.

raw ──► parse ──► check ──► quarantine      rows with a violation, and why
                    └─────► grid ──► clean  the other rows, one per series and step
"""

from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken
from models.data.time_steps import build_grid, grid_of_counts
from tasks.engine.step import step
from tasks.modeling.series import ExtremeValue
from tasks.quality import time_grid
from tasks.quality.closed_steps import closed_times_of, describe_closed, skip_closed_steps
from tasks.quality.contract_checks import check_freshness
from tasks.quality.extreme_values import list_extreme_values
from tasks.quality.quarantine import to_quarantine_table
from tasks.quality.running_periods import describe_held_back, newest_arrival
from tasks.quality.table_checks import find_violations, select_rows
from tasks.quality.violations import Violation, are_rows, describe_violation, exclude_series, violating_rows
from tasks.results.row_counts import RowCounts
from tasks.results.steps import ValidatedTable
from tasks.sources import row_versions
from tasks.sources.cleaning import aggregate_duplicates, fill_missing_with_zero
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.storage.layout import quarantine_dir
from tasks.storage.store import Store


class ValidationResult(NamedTuple):
    """Outcome of validating a table. If `stopping` lists findings that stop the night, there is no `clean` table."""

    clean: pd.DataFrame | None
    cutoff: pd.Timestamp | None
    rejected: pd.DataFrame | None
    findings: tuple[str, ...]
    stopping: tuple[str, ...]
    health: RowCounts | None = None
    notes: tuple[str, ...] = ()
    extreme: tuple[ExtremeValue, ...] = ()


def drop_superseded(raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """Drop older versions of rows; without a `known_at` column every row is kept."""
    if not reading.columns.known_at:
        return raw
    times = reading.parse_times(raw["ds"], ids=raw["unique_id"])
    superseded = row_versions.is_superseded(raw["unique_id"], times, reading.parse_known_at(raw["known_at"]))
    return raw[~superseded].reset_index(drop=True) if superseded.any() else raw


def examine(table: pd.DataFrame, reading: DatasetSpec, as_of: datetime) -> ValidationResult:
    """Check every row, put the good ones on the grid, and count them: read = used + quarantined + held back.

    Args:
        table: The rows as read, under canonical names, with `row`, which numbers them.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.

    Returns:
        The clean panel (unique_id, ds in UTC, y, covariates; one row per series and step), the rejected rows, and the
        findings; or the findings that stop the night.
    """
    result = _examine(table, reading, as_of)
    if result.clean is None:
        return result
    return result._replace(clean=result.clean.astype(dict.fromkeys(("unique_id", *reading.text_columns), "str")))


def _examine(table: pd.DataFrame, reading: DatasetSpec, as_of: datetime) -> ValidationResult:
    """Do what `examine` does; in the clean panel, names and static values are categories."""
    total, table = len(table), drop_superseded(table, reading)
    frame, violations = find_violations(table, reading, as_of)
    findings = _describe(violations, table)
    extreme = list_extreme_values(frame, violations)
    excluded, of_excluded_series = exclude_series(frame, violations)
    rejecting = [violation for violation in (*violations, *of_excluded_series) if violation.severity != "info"]
    bad_rows = violating_rows(rejecting)
    rejected = to_quarantine_table(table, rejecting) if len(bad_rows) else None
    if stopping := _describe(_errors(violations), table):
        return ValidationResult(None, None, rejected, findings, stopping)
    kept = select_rows(frame[panel_columns(reading)], ~are_rows(frame, bad_rows))
    del frame
    times, moment = DistinctTimes.of(kept["ds"]), reading.align_as_of(as_of)
    over = times.spread(reading.ended_times(times, moment), missing=True)
    held = kept[times.spread(reading.running_times(times, moment))]
    observed = over & kept["y"].notna().to_numpy()
    if not observed.any():
        reasons = _describe([violation for violation in violations if violation.severity != "info"], table)
        nothing = f"no row has a value of {reading.columns.target!r} before {moment:%Y-%m-%d %H:%M}"
        stopping = (*reasons, "no series is left to forecast" if excluded else nothing)
        return ValidationResult(None, None, rejected, findings, stopping)
    cutoff = times.times[times.codes[observed].max()]
    panel, newest = _to_panel(kept, times, cutoff, 0, reading), cutoff
    closed = closed_times_of(panel, cutoff, reading)
    cutoff = skip_closed_steps(newest, moment, closed, reading)
    if cutoff > newest:
        skipped = len(build_grid(pd.Series([newest, cutoff]), reading.freq, 0))
        panel = _to_panel(kept, times, cutoff, skipped, reading)
    clean, violations = time_grid.check_future_covariates(panel, cutoff, reading, closed)
    violations += check_freshness(newest_arrival(newest, held, reading), moment, reading)
    violations += time_grid.check_density(clean, cutoff, reading, closed)
    gaps = clean.loc[(clean["ds"] <= cutoff) & clean["y"].isna(), ["unique_id", "ds"]]
    ahead = int((~over).sum()) - len(held)
    health = RowCounts(
        read=len(table) - ahead,
        used=len(kept) - ahead - len(held),
        quarantined=len(bad_rows),
        known_ahead=ahead,
        gaps=int((~closed.contains(gaps["unique_id"], gaps["ds"])).sum()),
        series=clean["unique_id"].nunique(),
        ended=tuple(time_grid.ended_series(kept, cutoff, reading)),
        set_aside=excluded,
        superseded=total - len(table),
        held_back=len(held),
        closed=closed.common,
    )
    notes = (*describe_held_back(held, moment, reading), *describe_closed(closed, reading))
    findings += _describe(violations, table)
    stopping = _describe(_errors(violations), table)
    return ValidationResult(clean, cutoff, rejected, findings, stopping, health, notes, extreme)


def panel_columns(reading: DatasetSpec) -> list[str]:
    """Return the columns of the parsed rows that the panel is made of."""
    names = ("row", "unique_id", "ds", "y", *reading.numeric_covariates, *reading.text_columns)
    return list(dict.fromkeys(names))


def _to_panel(
    kept: pd.DataFrame, times: DistinctTimes, cutoff: pd.Timestamp, skipped: int, reading: DatasetSpec
) -> pd.DataFrame:
    """Put the rows on their grid up to the cutoff, which is at most `skipped` steps after the last row."""
    grid = grid_of_counts(times.counts, reading.freq, reading.horizon + skipped)
    rows = aggregate_duplicates(kept, reading.cleaning)
    panel = time_grid.reindex_to_grid(rows, grid, cutoff, reading, times if rows is kept else None)
    return fill_missing_with_zero(panel, cutoff, reading.cleaning)


def _errors(violations: list[Violation]) -> list[Violation]:
    return [violation for violation in violations if violation.severity == "error"]


def _describe(violations: list[Violation], table: pd.DataFrame) -> tuple[str, ...]:
    return tuple(describe_violation(violation, table) for violation in violations)


@step
def validate(raw: Artifact, reading: DatasetSpec, as_of: datetime, store: Store) -> ValidatedTable:
    """Validate the raw table, and store the clean table and the quarantined rows.

    Args:
        raw: The raw table of ingestion.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.
        store: Where the tables are stored.

    Returns:
        The clean table, its cutoff, the quarantine, the findings and the row counts.

    Raises:
        ContractBroken: A violation has severity error; the rejected rows are in quarantine.
    """
    result = _examine(_read_raw(raw, store), reading, as_of)
    folder = quarantine_dir(reading.pipeline)
    quarantine = store.put(result.rejected, "quarantine", folder) if result.rejected is not None else None
    if result.stopping or result.clean is None or result.health is None or result.cutoff is None:
        error = contract_error(reading, result.stopping, quarantine)
        raise error
    return ValidatedTable(
        clean=store.put(to_text_table(result.clean), "clean"),
        cutoff=result.cutoff,
        quarantine=quarantine,
        findings=result.findings,
        health=result.health,
        notes=result.notes,
        extreme=result.extreme,
    )


def _read_raw(raw: Artifact, store: Store) -> pd.DataFrame:
    """Return the raw table with the names of series as categories: a name is not held once per row."""
    return store.arrow(raw, dictionaries=["unique_id"]).to_pandas(split_blocks=True, self_destruct=True)


def to_text_table(clean: pd.DataFrame) -> pa.Table:
    """Return the clean panel as an Arrow table, with categories as text."""
    table = pa.Table.from_pandas(clean, preserve_index=False)
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            values = clean[field.name].cat
            names = pa.array(values.categories, pa.string())
            codes = pa.array(values.codes, mask=np.asarray(values.codes) < 0)
            table = table.set_column(index, field.name, names.take(codes))
    return table


def contract_error(reading: DatasetSpec, findings: tuple[str, ...], quarantine: Artifact | None) -> ContractBroken:
    """Build the error of a source that broke its contract.

    Args:
        reading: How the source is read.
        findings: The violations that stop the night, one sentence each.
        quarantine: The stored rejected rows, if any.

    Returns:
        The error, to be raised by the caller.
    """
    where = quarantine.uri if quarantine else None
    return ContractBroken(f"the source {reading.source.label} of pipeline {reading.pipeline!r}", findings, where)
