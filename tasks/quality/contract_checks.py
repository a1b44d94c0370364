"""What a contract promises besides its rules: values that must be there, its key, how fresh the source is."""

import pandas as pd

from data_contracts.contract import Contract
from tasks.quality import expectations, wide_tables
from tasks.quality.violations import Violation, violating_rows
from tasks.sources.dataset import DatasetSpec
from tasks.sources.values import parse_numbers


def to_source_columns(frame: pd.DataFrame, raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """The typed values under the names that the source and its contract use."""
    columns = reading.columns
    if not isinstance(columns.y, str):
        return wide_tables.their_words(frame, raw, reading)
    theirs = {columns.unique_id or "unique_id": frame["unique_id"], columns.ds: frame["ds"], columns.y: frame["y"]}
    if columns.known_at:
        theirs[columns.known_at] = reading.known(raw["known_at"])
    others = {name: frame[name] if name in frame else raw[name] for name in reading.wanted}
    for name in reading.features.static:  # text to the models, whatever the contract promises of it
        if reading.kind(name) in ("number", "integer"):
            others[name] = parse_numbers(raw[name], reading.source.decimal)[0]
    return pd.DataFrame({"row": frame["row"], **theirs, **others})


def missing_required(told: pd.DataFrame, contract: Contract) -> list[Violation]:
    """Columns that the contract requires and that have no value in some row."""
    empty = {column.name: told[column.name].isna() for column in contract.columns if column.required}
    return [
        Violation(f"{name} is required", name, contract.row_faults, "must not be empty", told.loc[rows, "row"].tolist())
        for name, rows in empty.items()
        if rows.any()
    ]


def check_key(told: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Rows that repeat the contract's own key, where that is another one than series and time."""
    contract = reading.contract
    if contract is None or not contract.key or set(contract.key) == _series_and_time(reading):
        return []
    twice = told.duplicated(contract.key) & told[contract.key].notna().all(axis=1)
    rows = told.loc[twice, "row"].tolist()
    if not rows or expectations.uniqueness_rules(set(contract.key), contract):
        return []
    key = ", ".join(contract.key)
    return [Violation("the key is unique", key, contract.row_faults, "repeats the key of an earlier row", rows)]


def downgrade_duplicates(broken: list[Violation], reading: DatasetSpec) -> list[Violation]:
    """Where the pipeline says which of repeated rows counts, a warning of the contract about them is only told."""
    if reading.contract is None or reading.cleaning.repeated == "reject":
        return broken
    judges = expectations.uniqueness_rules(_series_and_time(reading), reading.contract)
    lenient = [fault.rule in judges and fault.severity == "warning" for fault in broken]
    return [fault._replace(severity="info") if told else fault for fault, told in zip(broken, lenient, strict=True)]


def drop_covered_duplicates(twice: list[Violation], broken: list[Violation], reading: DatasetSpec) -> list[Violation]:
    """Repeated keys that no rule of the contract names: where one does, its own words and severity count."""
    judges = expectations.uniqueness_rules(_series_and_time(reading), reading.contract) if reading.contract else set()
    named = violating_rows([fault for fault in broken if fault.rule in judges and fault.severity != "info"])
    left = [fault._replace(rows=[row for row in fault.rows if row not in named]) for fault in twice]
    return [fault for fault in left if fault.rows]


def check_freshness(cutoff: pd.Timestamp, moment: pd.Timestamp, reading: DatasetSpec) -> list[Violation]:
    """Service levels of the whole table that its newest observation is too old for."""
    levels = [level for level in reading.contract.levels if level.enforced] if reading.contract else []
    return [
        Violation(
            level.property,
            reading.columns.ds,
            level.severity,
            f"the newest observation is of {cutoff:%Y-%m-%d %H:%M}, older than the promised {level.value}",
            [],
        )
        for level in levels
        if level.scope == "table" and moment - cutoff > pd.Timedelta(level.value)
    ]


def stale_series(known: pd.DataFrame, moment: pd.Timestamp, reading: DatasetSpec) -> list[Violation]:
    """Service levels of each series: an error sets the stale series aside, a warning is only told."""
    levels = [level for level in reading.contract.levels if level.enforced] if reading.contract else []
    newest = known[known["y"].notna()].groupby("unique_id")["ds"].max()
    faults = []
    for level in levels:
        old = newest[moment - newest > pd.Timedelta(level.value)]
        if level.scope == "series" and len(old):
            severity = "series" if level.severity == "error" else "info"
            reason = f"the newest observation of the series is older than the promised {level.value}"
            rows = known.loc[known["unique_id"].isin(old.index), "row"].tolist()
            faults.append(Violation(level.property, reading.columns.ds, severity, reason, rows))
    return faults


def _series_and_time(reading: DatasetSpec) -> set[str]:
    return {name for name in (reading.columns.unique_id, reading.columns.ds) if name}
