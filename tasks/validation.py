"""Step 2 · raw → clean: every row keeps the contract and is used, or lies in quarantine with the rule it broke."""

from datetime import datetime
from typing import NamedTuple

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken
from tasks.engine.step import step
from tasks.quality import expectations, time_grid, wide_tables
from tasks.quality.column_types import retyped
from tasks.quality.contract_checks import allowed_for, in_their_words, lacking, once, repeated_key, stale, stale_series
from tasks.quality.row_checks import repeated, typed
from tasks.quality.violations import Fault, rows_of, sentence, set_aside
from tasks.results.steps import Health, Validated
from tasks.sources import row_versions
from tasks.sources.cleaning import merged, zeros
from tasks.sources.dataset import Reading
from tasks.storage.store import Store


def find_faults(raw: pd.DataFrame, reading: Reading, as_of: datetime) -> tuple[pd.DataFrame, list[Fault]]:
    """The typed frame and every fault of its rows: kinds of value, keys, then the rules of the contract.

    Where a whole column is not what the contract promises, that alone is told: its values would break every rule.
    """
    if wrong := retyped(raw, reading):
        return raw, wrong
    frame, faults = typed(raw, reading)
    faults += time_grid.too_early(frame, reading)
    sound = frame[~frame["row"].isin(rows_of(faults))]  # the others hold no observation that a rule could judge
    twice = repeated(sound, reading)
    if len(sound):
        faults += time_grid.off_grid(sound, time_grid.steps(sound["ds"], reading.freq, 0), reading)
    faults = wide_tables.by_target(faults, raw, reading)
    if reading.contract:
        moment = reading.moment(as_of)
        told = in_their_words(sound, raw.loc[sound.index], reading)
        told = told[told[reading.columns.ds] < moment]
        series = reading.columns.unique_id or "unique_id"
        broken = lacking(told, reading.contract) + expectations.broken_rules(told, reading.contract, series)
        broken = wide_tables.of_cells(allowed_for(broken, reading), raw, reading)
        faults += (
            once(twice, broken, reading) + broken + wide_tables.of_cells(repeated_key(told, reading), raw, reading)
        )
        faults += stale_series(sound[sound["ds"] < moment], moment, reading)
    else:
        faults += twice
    return frame, faults


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
    told = joined.merge(text, "left", "row", suffixes=("", " of the source"))
    if "source_row" in told:
        told["row"] = told.pop("source_row")
    return told.astype({"row": "int64", "rule": "str", "reason": "str"})


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


def current(raw: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows without the older versions of them; all rows, where nothing says when they became known."""
    if not reading.columns.known_at:
        return raw
    times = reading.times(raw["ds"], ids=raw["unique_id"])
    older = row_versions.older(raw["unique_id"], times, reading.known(raw["known_at"]))
    return raw[~older].reset_index(drop=True)


def examine(table: pd.DataFrame, reading: Reading, as_of: datetime) -> Examined:
    """Judge every row, put the good ones on the grid, and count: read = used + rejected."""
    every, table = len(table), current(table, reading)
    frame, faults = find_faults(table, reading, as_of)
    findings = tuple(sentence(fault, table) for fault in faults)
    aside, others = set_aside(frame, faults)
    out_faults = [fault for fault in (*faults, *others) if fault.severity != "info"]
    bad = rows_of(out_faults)
    out = rejected(table, out_faults) if bad else None
    stopping = tuple(found for found, fault in zip(findings, faults, strict=True) if fault.severity == "error")
    if stopping:
        return Examined(None, None, out, findings, stopping)
    kept = frame[~frame["row"].isin(bad)]
    moment = reading.moment(as_of)
    observed = kept[(kept["ds"] < moment) & kept["y"].notna()]
    if observed.empty:
        told = tuple(found for found, fault in zip(findings, faults, strict=True) if fault.severity != "info")
        nothing = f"no row has a value of {reading.columns.target!r} before {moment:%Y-%m-%d %H:%M}"
        stopping = (*told, "no series is left to forecast" if aside else nothing)
        return Examined(None, None, out, findings, stopping)
    cutoff = observed["ds"].max()
    grid = time_grid.steps(kept["ds"], reading.freq, reading.horizon)
    panel = time_grid.on_grid(merged(kept, reading.cleaning), grid, cutoff, reading)
    clean, silent, broken = time_grid.known_ahead(zeros(panel, cutoff, reading.cleaning), cutoff, reading)
    levels = [*stale(cutoff, moment, reading), *time_grid.sparse(clean, cutoff, reading)]
    findings += tuple(sentence(fault, table) for fault in (*broken, *levels))
    stopping = tuple(sentence(fault, table) for fault in (*broken, *levels) if fault.severity == "error")
    ahead = int((kept["ds"] >= moment).sum())
    health = Health(
        read=len(table) - ahead,
        used=len(kept) - ahead,
        quarantined=len(bad),
        known_ahead=ahead,
        gaps=int(clean.loc[clean["ds"] <= cutoff, "y"].isna().sum()),
        series=clean["unique_id"].nunique(),
        ended=tuple(sorted({*time_grid.ended(kept, cutoff, reading), *silent})),
        set_aside=aside,
        superseded=every - len(table),
    )
    return Examined(clean, cutoff, out, findings, stopping, health)


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
