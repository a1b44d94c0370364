"""Step 2 · raw → clean: every row keeps the contract and is used, or lies in quarantine with the rule it broke."""

from datetime import datetime
from typing import NamedTuple

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.contract import Contract
from data_contracts.errors import ContractBroken
from data_contracts.spec import Spec
from tasks import _expectations, _grid
from tasks._cleaning import merged, zeros
from tasks._faults import Fault, repeated, sentence, typed
from tasks._step import step
from tasks._store import Store
from tasks.ingestion import Reading


class Health(Spec):
    """What became of the rows: read = used + quarantined."""

    read: int
    used: int
    quarantined: int
    known_ahead: int
    gaps: int
    series: int
    ended: tuple[str, ...] = ()


class Validated(Spec):
    """The clean table, its cutoff, the rejected rows and what was found."""

    clean: Artifact
    cutoff: datetime
    quarantine: Artifact | None
    findings: tuple[str, ...]
    health: Health

    @property
    def sentence(self) -> str:
        told = f"{self.health.used:,} rows of {self.health.series} series"
        return told + (f", {self.health.quarantined:,} in quarantine" if self.health.quarantined else "")


def find_faults(raw: pd.DataFrame, reading: Reading, as_of: datetime) -> tuple[pd.DataFrame, list[Fault]]:
    """The typed frame and every fault of its rows: kinds of value, keys, then the rules of the contract."""
    frame, faults = typed(raw, reading)
    faults += _grid.too_early(frame, reading)
    sound = frame[~frame["row"].isin(_rows(faults))]  # the others hold no observation that a rule could judge
    twice = repeated(sound, reading)
    if len(sound):
        faults += _grid.off_grid(sound, _grid.steps(sound["ds"], reading.freq, 0), reading)
    if reading.contract:
        told = _in_their_words(sound, raw.loc[sound.index], reading)[sound["ds"] < reading.moment(as_of)]
        broken = _required(told, reading.contract) + _expectations.broken_rules(told, reading.contract)
        faults += _once(twice, broken, reading, reading.contract) + broken
    else:
        faults += twice
    return frame, faults


def _in_their_words(frame: pd.DataFrame, raw: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The typed values under the names that the source and its contract use."""
    columns = reading.columns
    theirs = {columns.unique_id or "unique_id": frame["unique_id"], columns.ds: frame["ds"], columns.y: frame["y"]}
    others = {name: frame[name] if name in frame else raw[name] for name in reading.wanted}
    return pd.DataFrame({"row": frame["row"], **theirs, **others})


def _required(told: pd.DataFrame, contract: Contract) -> list[Fault]:
    """Columns that the contract requires and that have no value in some row."""
    lacking = {column.name: told[column.name].isna() for column in contract.columns if column.required}
    return [
        Fault(f"{name} is required", name, contract.row_faults, "must not be empty", told.loc[empty, "row"].tolist())
        for name, empty in lacking.items()
        if empty.any()
    ]


def _once(twice: list[Fault], broken: list[Fault], reading: Reading, contract: Contract) -> list[Fault]:
    """Repeated keys that no rule of the contract names: where one does, its own words and severity count."""
    key = {name for name in (reading.columns.unique_id, reading.columns.ds) if name}
    judges = _expectations.judge_of(key, contract)
    named = _rows([fault for fault in broken if fault.rule in judges])
    left = [fault._replace(rows=[row for row in fault.rows if row not in named]) for fault in twice]
    return [fault for fault in left if fault.rows]


def _rows(faults: list[Fault]) -> set[int]:
    return {row for fault in faults for row in fault.rows}


def rejected(raw: pd.DataFrame, faults: list[Fault]) -> pd.DataFrame:
    """One row a rejected row of the source: all its columns as text, with the rules it broke and why."""
    broken = pd.DataFrame(
        [(row, fault.rule, f"{fault.column}: {fault.reason}") for fault in faults for row in fault.rows],
        columns=["row", "rule", "reason"],
    )
    joined = broken.groupby("row", as_index=False).agg({"rule": _listed, "reason": _listed})
    text = raw[raw["row"].isin(joined["row"])].copy()
    for name in text.columns.drop("row"):
        text[name] = text[name].map(str, na_action="ignore").astype("str")
    return joined.merge(text, "left", "row", suffixes=("", " of the source")).astype(
        {"row": "int64", "rule": "str", "reason": "str"}
    )


def _listed(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(values))


class Examined(NamedTuple):
    """What became of a table: `stopping` holds the findings that stop the night, and then there is no `clean`."""

    clean: pd.DataFrame | None
    cutoff: pd.Timestamp | None
    rejected: pd.DataFrame | None
    findings: tuple[str, ...]
    stopping: tuple[str, ...]
    health: Health | None = None


def examine(table: pd.DataFrame, reading: Reading, as_of: datetime) -> Examined:
    """Judge every row, put the good ones on the grid, and count: read = used + rejected."""
    frame, faults = find_faults(table, reading, as_of)
    bad = _rows(faults)
    out = rejected(table, faults) if bad else None
    findings = tuple(sentence(fault, table) for fault in faults)
    stopping = tuple(found for found, fault in zip(findings, faults, strict=True) if fault.severity == "error")
    kept = frame[~frame["row"].isin(bad)]
    moment = reading.moment(as_of)
    observed = kept[(kept["ds"] < moment) & kept["y"].notna()]
    if observed.empty and not stopping:
        stopping = (f"no row has a value of {reading.columns.y!r} before {moment:%Y-%m-%d %H:%M}",)
    if stopping:
        return Examined(None, None, out, findings, stopping)
    cutoff = observed["ds"].max()
    grid = _grid.steps(kept["ds"], reading.freq, reading.horizon)
    panel = _grid.on_grid(merged(kept, reading.cleaning), grid, cutoff, reading)
    clean, silent, broken = _grid.known_ahead(zeros(panel, cutoff, reading.cleaning), cutoff, reading)
    stopping = tuple(sentence(fault, table) for fault in broken if fault.severity == "error")
    stopping += _stale(cutoff, moment, reading)
    ahead = int((kept["ds"] >= moment).sum())
    health = Health(
        read=len(table) - ahead,
        used=len(kept) - ahead,
        quarantined=len(bad),
        known_ahead=ahead,
        gaps=int(clean.loc[clean["ds"] <= cutoff, "y"].isna().sum()),
        series=clean["unique_id"].nunique(),
        ended=tuple(sorted({*_grid.ended(kept, cutoff, reading), *silent})),
    )
    findings += tuple(sentence(fault, table) for fault in broken)
    return Examined(clean, cutoff, out, findings, stopping, health)


def _stale(cutoff: pd.Timestamp, moment: pd.Timestamp, reading: Reading) -> tuple[str, ...]:
    promised = reading.contract.freshness if reading.contract else None
    if promised and moment - cutoff > pd.Timedelta(promised):
        return (f"the newest observation is of {cutoff:%Y-%m-%d %H:%M}, older than the promised {promised}",)
    return ()


@step
def validate(raw: Artifact, reading: Reading, as_of: datetime, store: Store) -> Validated:
    """Raises ContractBroken, with the rejected rows in quarantine, where a fault's severity is error."""
    told = examine(store.get(raw), reading, as_of)
    folder = f"quarantine/pipeline={reading.pipeline}"
    quarantine = store.put(told.rejected, "quarantine", folder) if told.rejected is not None else None
    if told.stopping or told.clean is None or told.health is None or told.cutoff is None:
        raise broken(reading, told.stopping, quarantine)
    return Validated(
        clean=store.put(told.clean, "clean"),
        cutoff=told.cutoff,
        quarantine=quarantine,
        findings=told.findings,
        health=told.health,
    )


def broken(reading: Reading, findings: tuple[str, ...], quarantine: Artifact | None) -> ContractBroken:
    """The error of a source that broke its contract."""
    where = quarantine.uri if quarantine else None
    return ContractBroken(f"the source {reading.source.shown} of pipeline {reading.pipeline!r}", findings, where)
