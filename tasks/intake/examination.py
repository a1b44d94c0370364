"""Check every row of a raw table and put the good ones on the grid, part by part.

raw ──► parse ──► check ──► quarantine      rows with a violation, and why
                    └─────► grid ──► clean  the other rows, one per series and step
"""

import tempfile
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.panel_table import PanelTable
from models.data.time_steps import build_grid
from tasks.intake.known_rows import filter_as_of
from tasks.intake.panel_builder import PanelBuilder
from tasks.intake.part_checks import KeptRows, PartCheck, check_part, count_times, join_checks
from tasks.intake.raw_parts import RawParts, open_raw_parts
from tasks.intake.source_parts import ChooseColumns, store_in_parts
from tasks.modeling.series import ExtremeValue
from tasks.quality.closed_steps import closed_times_of, describe_closed, skip_closed_steps
from tasks.quality.contract_checks import check_freshness
from tasks.quality.panel_checks import check_density, check_future_covariates, check_similar_names
from tasks.quality.running_periods import describe_held_back, newest_arrival
from tasks.quality.violations import Violation, describe_violation
from tasks.results.row_counts import RowCounts
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.dataset import DatasetSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.sources.read import read_source
from tasks.storage.store import Store


class ValidationResult(NamedTuple):
    """Outcome of validating a table. If `stopping` lists findings that stop the night, the panel is None."""

    panel: PanelTable | None
    cutoff: pd.Timestamp | None
    rejected: pd.DataFrame | None
    findings: tuple[str, ...]
    stopping: tuple[str, ...]
    health: RowCounts | None = None
    notes: tuple[str, ...] = ()
    extreme: tuple[ExtremeValue, ...] = ()

    @property
    def clean(self) -> pd.DataFrame | None:
        """The panel in the long format: unique_id, ds (UTC), y, covariates, static columns."""
        return None if self.panel is None else self.panel.frame()


def examine(table: pd.DataFrame, reading: DatasetSpec, as_of: datetime) -> ValidationResult:
    """Check a table that is held in memory, as `examine_parts` does.

    Args:
        table: The rows as read, under canonical names, with `row`, which numbers them.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.

    Returns:
        The result of `examine_parts`.
    """

    def read(columns: list[str] | None) -> pd.DataFrame:
        return table if columns is None else table[columns]

    return examine_parts(RawParts([read], read), reading, as_of)


def examine_source(reading: DatasetSpec, as_of: datetime, choose: ChooseColumns) -> ValidationResult:
    """Read a source and check it, as `ingest` and `validate` do, without a store.

    Args:
        reading: How the source is read.
        as_of: The instant up to which observations are visible.
        choose: Picks among the columns of the source.

    Returns:
        The result of `examine_parts`. Raises what reading the source raises.
    """
    with tempfile.TemporaryDirectory(prefix="nightcast-") as folder:
        store = Store(root=folder)
        if raw := store_in_parts(reading, as_of, store, choose):
            with open_raw_parts(raw, reading, store) as parts:
                return examine_parts(parts, reading, as_of)
    table = to_canonical_columns(read_source(reading.source, choose, as_of, None, reading.optional_columns), reading)
    return examine(filter_as_of(table, reading, as_of).to_pandas(), reading, as_of)


def examine_parts(parts: RawParts, reading: DatasetSpec, as_of: datetime) -> ValidationResult:
    """Check every row, put the good ones on the grid, and count them: read = used + quarantined + held back.

    Args:
        parts: The rows as read, under canonical names, with `row`, which numbers them.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.

    Returns:
        The clean panel (unique_id, ds in UTC, y, covariates; one row per series and step), the rejected rows, and the
        findings; or the findings that stop the night.
    """
    checks, kept = _check_all(parts, reading, as_of)
    if len(parts) > 1 and any(not violation.rows for check in checks for violation in check.violations):
        return examine_parts(parts.joined(), reading, as_of)  # about the table as a whole
    check = join_checks(checks)
    findings = _describe(check.violations, check)
    if stopping := _describe(_errors(check.violations), check):
        return ValidationResult(None, None, check.rejected, findings, stopping)
    times, moment = DistinctTimes.of_counts(check.kept), reading.align_as_of(as_of)
    builder = PanelBuilder(parts, checks, kept, times, reading, moment)
    observed = builder.over & (check.observed.to_numpy() > 0)
    if not observed.any():
        stopping = _describe_nothing_observed(check, moment, reading)
        return ValidationResult(None, None, check.rejected, findings, stopping)
    return _put_on_grid(builder, check, times.times[np.flatnonzero(observed).max()], findings)


def _check_all(parts: RawParts, reading: DatasetSpec, as_of: datetime) -> tuple[list[PartCheck], list[KeptRows | None]]:
    """Check all parts; the kept rows of a single part stay in memory."""
    if len(parts) == 1:
        check, kept = check_part(parts.read(0), reading, as_of, None)
        return [check], [kept]
    columns = ["unique_id", "ds", *(["known_at"] if reading.columns.known_at else [])]
    counts = count_times((parts.read(number, columns) for number in range(len(parts))), reading)
    checks = [check_part(parts.read(number), reading, as_of, counts)[0] for number in range(len(parts))]
    return checks, [None] * len(parts)


def _put_on_grid(
    builder: PanelBuilder, check: PartCheck, newest: pd.Timestamp, findings: tuple[str, ...]
) -> ValidationResult:
    """Build the panel up to the newest observation, check it, and count the rows."""
    reading, moment = builder.reading, builder.moment
    built = builder.build(newest, 0)
    closed = closed_times_of(built.panel, newest, reading)
    cutoff = skip_closed_steps(newest, moment, closed, reading)
    if cutoff > newest:
        del built  # the next one takes the same memory
        built = builder.build(cutoff, len(build_grid(pd.Series([newest, cutoff]), reading.freq, 0)))
    panel, violations = check_future_covariates(built.panel, cutoff, reading, closed)
    violations += check_freshness(newest_arrival(newest, built.held, reading), moment, reading)
    gaps, sparse = check_density(panel, cutoff, reading, closed)
    violations += [*sparse, *check_similar_names(panel.ids, reading)]
    rows = builder.times.others if builder.times.others is not None else np.empty(0)
    kept, held = int(rows.sum()), len(built.held)
    ahead = int(rows[~builder.over].sum()) - held
    health = RowCounts(
        read=check.rows - ahead,
        used=kept - ahead - held,
        quarantined=len(check.rejected_rows),
        known_ahead=ahead,
        gaps=gaps,
        series=len(panel.ids),
        ended=built.ended,
        set_aside=check.excluded,
        superseded=check.superseded,
        held_back=held,
        closed=closed.common,
    )
    notes = (*describe_held_back(built.held, moment, reading), *describe_closed(closed, reading))
    findings += _describe(violations, check)
    stopping = _describe(_errors(violations), check)
    return ValidationResult(panel, cutoff, check.rejected, findings, stopping, health, notes, check.extreme)


def _describe_nothing_observed(check: PartCheck, moment: pd.Timestamp, reading: DatasetSpec) -> tuple[str, ...]:
    reasons = _describe([violation for violation in check.violations if violation.severity != "info"], check)
    nothing = f"no row has a value of {reading.columns.target!r} before {moment:%Y-%m-%d %H:%M}"
    return (*reasons, "no series is left to forecast" if check.excluded else nothing)


def _errors(violations: list[Violation]) -> list[Violation]:
    return [violation for violation in violations if violation.severity == "error"]


def _describe(violations: list[Violation], check: PartCheck) -> tuple[str, ...]:
    return tuple(describe_violation(violation, check.faulty) for violation in violations)
