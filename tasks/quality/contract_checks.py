"""Promises of a contract besides its rules: required columns, the key, and how fresh the source is."""

import pandas as pd

from data_contracts.contract import Contract, ServiceLevel
from tasks.quality import expectations, wide_tables
from tasks.quality.violations import Violation, violating_rows
from tasks.sources.dataset import DatasetSpec
from tasks.sources.numbers import parse_numbers
from tasks.sources.repeats import find_repeats


def to_source_columns(frame: pd.DataFrame, raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """Return the parsed values under the column names of the source and its contract.

    Args:
        frame: The parsed rows: unique_id, ds (UTC), y and covariates under canonical names.
        raw: The same rows as read, on the index of `frame`.
        reading: How the source is read.

    Returns:
        One row per source row, with `row`, which numbers the rows.
    """
    columns = reading.columns
    if not isinstance(columns.y, str):
        return wide_tables.pivot_to_source(frame, raw, reading)
    source = {columns.series_column: frame["unique_id"], columns.ds: frame["ds"], columns.y: frame["y"]}
    if columns.known_at:
        source[columns.known_at] = reading.parse_known_at(raw["known_at"])
    others = {name: frame[name] if name in frame else raw[name] for name in reading.additional_columns}
    for name in reading.text_columns:  # these are text in the panel even if the contract promises numbers
        if reading.column_type(name) in ("number", "integer"):
            others[name] = parse_numbers(raw[name], reading.source.number_format)[0]
    return pd.DataFrame({"row": frame["row"], **source, **others})


def missing_required(table: pd.DataFrame, contract: Contract) -> list[Violation]:
    """Find missing values in the columns that the contract requires."""
    empty = {column.name: table[column.name].isna() for column in contract.columns if column.required}
    return [
        Violation(
            f"{name} is required", name, contract.row_faults, "must not be empty", table.loc[rows, "row"].tolist()
        )
        for name, rows in empty.items()
        if rows.any()
    ]


def check_key(table: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Find rows that repeat the contract's key, if the key is not series and time and no rule checks it."""
    contract = reading.contract
    if contract is None or not contract.key or set(contract.key) == _series_and_time(reading):
        return []
    if expectations.uniqueness_rules(set(contract.key), contract):
        return []
    repeated = find_repeats(table, contract.key, keep="first")
    rows = table.loc[repeated & table[contract.key].notna().all(axis=1), "row"].tolist() if repeated.any() else []
    if not rows:
        return []
    key = ", ".join(contract.key)
    return [Violation("the key is unique", key, contract.row_faults, "repeats the key of an earlier row", rows)]


def downgrade_duplicates(violations: list[Violation], reading: DatasetSpec) -> list[Violation]:
    """Downgrade warnings about repeated series and times to info if the pipeline's policy allows duplicates."""
    if reading.contract is None or reading.cleaning.repeated == "reject":
        return violations
    rules = expectations.uniqueness_rules(_series_and_time(reading), reading.contract)
    return [
        violation._replace(severity="info")
        if violation.rule in rules and violation.severity == "warning"
        else violation
        for violation in violations
    ]


def drop_covered_duplicates(
    duplicates: list[Violation], violations: list[Violation], reading: DatasetSpec
) -> list[Violation]:
    """Drop duplicates that a uniqueness rule of the contract reports: its sentence and severity take precedence.

    Args:
        duplicates: Violations of the built-in duplicate check.
        violations: Violations of the contract's rules.
        reading: How the source is read.

    Returns:
        The duplicates whose rows no rule of the contract reports.
    """
    rules = expectations.uniqueness_rules(_series_and_time(reading), reading.contract) if reading.contract else set()
    covering = [violation for violation in violations if violation.rule in rules and violation.severity != "info"]
    covered = set(violating_rows(covering).tolist())
    remaining = [
        duplicate._replace(rows=[row for row in duplicate.rows if row not in covered]) for duplicate in duplicates
    ]
    return [duplicate for duplicate in remaining if duplicate.rows]


def check_freshness(newest: pd.Timestamp, moment: pd.Timestamp, reading: DatasetSpec) -> list[Violation]:
    """Find service levels of the whole table that its newest observation is too old for."""
    return [
        Violation(
            level.property,
            reading.columns.ds,
            level.severity,
            f"the newest observation is from {newest:%Y-%m-%d %H:%M}, older than the promised {level.value}",
            [],
        )
        for level in _enforced_levels(reading)
        if level.scope == "table" and moment - newest > pd.Timedelta(level.value)
    ]


def stale_series(known: pd.DataFrame, moment: pd.Timestamp, reading: DatasetSpec) -> list[Violation]:
    """Find series whose newest observation is too old for a service level of each series.

    Args:
        known: The parsed rows that have arrived by `moment`: `row`, `unique_id` and `ds` (UTC).
        moment: The as-of on the clock of `ds`.
        reading: How the source is read.

    Returns:
        One violation per service level; an error excludes the stale series, a warning is reported only.
    """
    violations = []
    for level in series_levels(reading):
        newest = known.groupby("unique_id", observed=True)["ds"].max()
        stale = newest[moment - newest > pd.Timedelta(level.value)]
        if len(stale):
            severity = "series" if level.severity == "error" else "info"
            reason = f"the newest observation of the series is older than the promised {level.value}"
            rows = known.loc[known["unique_id"].isin(stale.index), "row"].tolist()
            violations.append(Violation(level.property, reading.columns.ds, severity, reason, rows))
    return violations


def series_levels(reading: DatasetSpec) -> list[ServiceLevel]:
    """Return the service levels that each series must keep."""
    return [level for level in _enforced_levels(reading) if level.scope == "series"]


def _enforced_levels(reading: DatasetSpec) -> list[ServiceLevel]:
    return [level for level in reading.contract.levels if level.enforced] if reading.contract else []


def _series_and_time(reading: DatasetSpec) -> set[str]:
    return {*reading.columns.id_columns, reading.columns.ds}
