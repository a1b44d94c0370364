"""Step 2 · raw → clean: every row keeps the contract and is used, or lies in quarantine with the rule it broke."""

from datetime import datetime
from typing import NamedTuple

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken
from tasks.engine.step import step
from tasks.quality import expectations, time_grid, wide_tables
from tasks.quality.column_types import check_column_types
from tasks.quality.contract_checks import (
    check_freshness,
    check_key,
    downgrade_duplicates,
    drop_covered_duplicates,
    missing_required,
    stale_series,
    to_source_columns,
)
from tasks.quality.row_checks import find_duplicates, parse_rows
from tasks.quality.violations import Violation, describe_violation, exclude_series, violating_rows
from tasks.results.steps import RowCounts, ValidatedTable
from tasks.sources import row_versions
from tasks.sources.cleaning import aggregate_duplicates, fill_missing_with_zero
from tasks.sources.dataset import DatasetSpec
from tasks.storage.layout import quarantine_dir
from tasks.storage.store import Store


def find_violations(raw: pd.DataFrame, reading: DatasetSpec, as_of: datetime) -> tuple[pd.DataFrame, list[Violation]]:
    """The typed frame and every fault of its rows: kinds of value, keys, then the rules of the contract.

    Where a whole column is not what the contract promises, that alone is told: its values would break every rule.
    """
    if wrong := check_column_types(raw, reading):
        return raw, wrong
    frame, faults = parse_rows(raw, reading)
    faults += time_grid.check_outlying_times(frame, reading)
    sound = frame[~frame["row"].isin(violating_rows(faults))]  # the others hold no observation that a rule could judge
    twice = find_duplicates(sound, reading)
    if len(sound):
        faults += time_grid.check_alignment(sound, time_grid.steps(sound["ds"], reading.freq, 0), reading)
    faults = wide_tables.split_by_target(faults, raw, reading)
    if reading.contract:
        moment = reading.moment(as_of)
        told = to_source_columns(sound, raw.loc[sound.index], reading)
        told = told[told[reading.columns.ds] < moment]
        series = reading.columns.unique_id or "unique_id"
        broken = missing_required(told, reading.contract) + expectations.find_rule_violations(
            told, reading.contract, series
        )
        broken = wide_tables.of_cells(downgrade_duplicates(broken, reading), raw, reading)
        faults += (
            drop_covered_duplicates(twice, broken, reading)
            + broken
            + wide_tables.of_cells(check_key(told, reading), raw, reading)
        )
        faults += stale_series(sound[sound["ds"] < moment], moment, reading)
    else:
        faults += twice
    return frame, faults


def to_quarantine_table(raw: pd.DataFrame, faults: list[Violation]) -> pd.DataFrame:
    """One row a rejected row of the source: all its columns as text, with the rules it broke and why."""
    broken = pd.DataFrame(
        [(row, fault.rule, f"{fault.column}: {fault.reason}") for fault in faults for row in fault.rows],
        columns=["row", "rule", "reason"],
    )
    joined = broken.groupby("row", as_index=False).agg({"rule": _listed, "reason": _listed})
    text = raw[raw["row"].isin(joined["row"])].copy()
    for name in text.columns.drop("row"):
        text[name] = text[name].map(str, na_action="ignore").astype("str")
    told = joined.merge(text, "left", "row", suffixes=("", " of the source"))
    if "source_row" in told:
        told["row"] = told.pop("source_row")
    return told.astype({"row": "int64", "rule": "str", "reason": "str"})


def _listed(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(values))


class ValidationResult(NamedTuple):
    """What became of a table: `stopping` holds the findings that stop the night, and then there is no `clean`."""

    clean: pd.DataFrame | None
    cutoff: pd.Timestamp | None
    rejected: pd.DataFrame | None
    findings: tuple[str, ...]
    stopping: tuple[str, ...]
    health: RowCounts | None = None


def drop_superseded(raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """The rows without the older versions of them; all rows, where nothing says when they became known."""
    if not reading.columns.known_at:
        return raw
    times = reading.times(raw["ds"], ids=raw["unique_id"])
    older = row_versions.is_superseded(raw["unique_id"], times, reading.known(raw["known_at"]))
    return raw[~older].reset_index(drop=True)


def examine(table: pd.DataFrame, reading: DatasetSpec, as_of: datetime) -> ValidationResult:
    """Judge every row, put the good ones on the grid, and count: read = used + rejected."""
    every, table = len(table), drop_superseded(table, reading)
    frame, faults = find_violations(table, reading, as_of)
    findings = tuple(describe_violation(fault, table) for fault in faults)
    aside, others = exclude_series(frame, faults)
    out_faults = [fault for fault in (*faults, *others) if fault.severity != "info"]
    bad = violating_rows(out_faults)
    out = to_quarantine_table(table, out_faults) if bad else None
    stopping = tuple(found for found, fault in zip(findings, faults, strict=True) if fault.severity == "error")
    if stopping:
        return ValidationResult(None, None, out, findings, stopping)
    kept = frame[~frame["row"].isin(bad)]
    moment = reading.moment(as_of)
    observed = kept[(kept["ds"] < moment) & kept["y"].notna()]
    if observed.empty:
        told = tuple(found for found, fault in zip(findings, faults, strict=True) if fault.severity != "info")
        nothing = f"no row has a value of {reading.columns.target!r} before {moment:%Y-%m-%d %H:%M}"
        stopping = (*told, "no series is left to forecast" if aside else nothing)
        return ValidationResult(None, None, out, findings, stopping)
    cutoff = observed["ds"].max()
    grid = time_grid.steps(kept["ds"], reading.freq, reading.horizon)
    panel = time_grid.reindex_to_grid(aggregate_duplicates(kept, reading.cleaning), grid, cutoff, reading)
    clean, silent, broken = time_grid.check_future_covariates(
        fill_missing_with_zero(panel, cutoff, reading.cleaning), cutoff, reading
    )
    levels = [*check_freshness(cutoff, moment, reading), *time_grid.check_density(clean, cutoff, reading)]
    findings += tuple(describe_violation(fault, table) for fault in (*broken, *levels))
    stopping = tuple(describe_violation(fault, table) for fault in (*broken, *levels) if fault.severity == "error")
    ahead = int((kept["ds"] >= moment).sum())
    health = RowCounts(
        read=len(table) - ahead,
        used=len(kept) - ahead,
        quarantined=len(bad),
        known_ahead=ahead,
        gaps=int(clean.loc[clean["ds"] <= cutoff, "y"].isna().sum()),
        series=clean["unique_id"].nunique(),
        ended=tuple(sorted({*time_grid.ended_series(kept, cutoff, reading), *silent})),
        set_aside=aside,
        superseded=every - len(table),
    )
    return ValidationResult(clean, cutoff, out, findings, stopping, health)


@step
def validate(raw: Artifact, reading: DatasetSpec, as_of: datetime, store: Store) -> ValidatedTable:
    """Raises ContractBroken, with the rejected rows in quarantine, where a fault's severity is error."""
    told = examine(store.get(raw), reading, as_of)
    folder = quarantine_dir(reading.pipeline)
    quarantine = store.put(told.rejected, "quarantine", folder) if told.rejected is not None else None
    if told.stopping or told.clean is None or told.health is None or told.cutoff is None:
        raise contract_error(reading, told.stopping, quarantine)
    return ValidatedTable(
        clean=store.put(told.clean, "clean"),
        cutoff=told.cutoff,
        quarantine=quarantine,
        findings=told.findings,
        health=told.health,
    )


def contract_error(reading: DatasetSpec, findings: tuple[str, ...], quarantine: Artifact | None) -> ContractBroken:
    """The error of a source that broke its contract."""
    where = quarantine.uri if quarantine else None
    return ContractBroken(f"the source {reading.source.shown} of pipeline {reading.pipeline!r}", findings, where)
