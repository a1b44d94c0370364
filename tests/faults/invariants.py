"""What must hold after any fault, judged from the store, the registry's database and the output of commands alone.

The numbers are those of the invariants: whole artifacts (1), complete vintages (2), counted rows (3), a champion that
reproduces its golden forecast (4), nothing from the future (6), documented exit codes without a traceback (7), no file
outside the store (8), aliases only by decision (9). Equal bytes after a rerun (5) are compared by each test.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from models.bundle import Bundle
from tests.faults.harness import Ended, World

EXIT_CODES = (0, 1, 2, 3)
KINDS = {"forecasts", "latest", "actuals", "accuracy", "artifacts", "quarantine", "cache", "decisions", "snapshots"}
KINDS |= {"changes", "contracts", "reports", "retracted", "runs", "leases", "mlflow", "dry-runs", "lost+found"}
KINDS |= {"retention", "anomalies"}


def violations(world: World, series: int | None = 2, horizon: int = 24) -> list[str]:
    """Return the violated invariants of a store, empty if all hold. None: any number of series may be published."""
    return [
        *_broken_artifacts(world.store),
        *_incomplete_vintages(world.store, series, horizon),
        *_wrong_versions(world.store),
        *_uncounted_rows(world.store),
        *_wrong_champion(world.store),
        *_wrong_aliases(world.store),
        *_stray_files(world),
    ]


def output_violations(ended: Ended) -> list[str]:
    """Return what is wrong with the exit of a command that was not killed."""
    wrong = []
    if ended.code not in EXIT_CODES:
        wrong.append(f"7: exit code {ended.code}: {ended.last_line}")
    if "Traceback (most recent call last)" in ended.output:
        wrong.append(f"7: traceback: {ended.output[-1500:]}")
    if ended.code and "error: " not in ended.output:
        wrong.append(f"7: exit code {ended.code} without a sentence: {ended.output[-300:]}")
    return wrong


def _broken_artifacts(store: Path) -> Iterator[str]:
    for kind in ("artifacts", "quarantine"):
        for path in (store / kind).rglob("*.*"):
            if not path.name.startswith(".") and hashlib.sha256(path.read_bytes()).hexdigest() != path.stem:
                yield f"1: {path.relative_to(store)} does not have the digest of its name"


def _incomplete_vintages(store: Path, series: int | None, horizon: int) -> Iterator[str]:
    for path in sorted(store.glob("forecasts/pipeline=*/vintage=*/forecasts.parquet")):
        try:
            table = pq.ParquetFile(path, page_checksum_verification=True).read().to_pandas()
        except Exception as error:  # noqa: BLE001 - whatever a reader would get
            yield f"2: {path.relative_to(store)}: {error}"
            continue
        if table.duplicated(["unique_id", "ds", "cutoff"]).any():
            yield f"2: {path.relative_to(store)} has a row twice"
        if series is not None and len(table) != series * horizon:
            yield f"2: {path.relative_to(store)} has {len(table)} rows, expected {series} × {horizon}"
        if not table["y_hat"].notna().all():
            yield f"2: {path.relative_to(store)} has forecasts that are missing"
        vintage = pd.to_datetime(path.parent.name.removeprefix("vintage="), format="%Y-%m-%dT%H%M%SZ", utc=True)
        if (table["cutoff"] > vintage).any() or (table["ds"] <= table["cutoff"]).any():
            yield f"6: {path.relative_to(store)} has a cutoff after its vintage, or a step before its cutoff"
    for latest in store.glob("latest/pipeline=*/forecasts.parquet"):
        vintages = sorted(store.glob(f"forecasts/{latest.parent.name}/vintage=*/forecasts.parquet"))
        if vintages and latest.read_bytes() != vintages[-1].read_bytes():
            yield "2: latest/ is not the newest vintage"


def _wrong_versions(store: Path) -> Iterator[str]:
    """A night adds to these tables only rows that are new or have another value, each with its own as-of."""
    keys = {"actuals": ["unique_id", "ds"], "accuracy": ["forecast_vintage", "unique_id", "model_name"]}
    for table, key in (keys | {"anomalies": ["unique_id", "ds"]}).items():
        paths = sorted(store.glob(f"{table}/pipeline=*/vintage=*/{table}.parquet"))
        rows = [pq.ParquetFile(path).read().to_pandas() for path in paths]
        for path, part in zip(paths, rows, strict=True):
            vintage = pd.to_datetime(path.parent.name.removeprefix("vintage="), format="%Y-%m-%dT%H%M%SZ", utc=True)
            if part.duplicated(key).any() or not (part["as_of"] == vintage).all():
                yield f"2: {path.relative_to(store)} has a row twice, or a row of another night"
        together = pd.concat(rows).sort_values("as_of").drop(columns="as_of") if rows else None
        if together is not None and (together.groupby(key).shift() == together.drop(columns=key)).all(axis=1).any():
            yield f"2: {table} has a version that does not differ from the one before"


def _uncounted_rows(store: Path) -> Iterator[str]:
    for path in store.glob("runs/pipeline=*/*.json"):
        story = _read(path).get("story") or {}
        validated, raw = story.get("validated") or {}, story.get("raw") or {}
        health = validated.get("health")
        if not health:
            continue
        counted = health["used"] + health["quarantined"] + health["held_back"]
        if health["read"] != counted or health["read"] > raw["rows"]:
            yield f"3: {path.name}: of {raw['rows']} rows, {health['read']} are read and {counted} counted"
        rejected = validated["quarantine"]
        if rejected and pq.read_metadata(store / rejected["uri"]).num_rows < health["quarantined"]:
            yield f"3: {path.name}: the quarantine lacks rows"


def _wrong_champion(store: Path) -> Iterator[str]:
    for decision in _newest_decisions(store):
        champion = decision.get("champion")
        if champion:
            path = store / champion["bundle"]["uri"]
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != champion["bundle"]["digest"]:
                yield f"4: the bundle of champion {champion['name']} is missing or damaged"
            else:
                Bundle.from_bytes(path.read_bytes())


def _wrong_aliases(store: Path) -> Iterator[str]:
    database = store / "mlflow/mlflow.db"
    if not database.exists():
        return
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute("SELECT name, version FROM registered_model_aliases WHERE alias = 'champion'")
            aliases = {name: str(version) for name, version in rows}
        except sqlite3.DatabaseError as error:
            yield f"9: the registry cannot be read: {error}"
            return
    for decision in _newest_decisions(store):
        champion = decision.get("champion")
        alias = aliases.get(decision["pipeline"])
        if champion and champion["version"] != "none" and alias != champion["version"]:
            yield f"9: alias champion is version {alias}, the newest decision says {champion['version']}"
        if alias and not champion:
            yield f"9: alias champion is version {alias}, and no decision says so"


def _stray_files(world: World) -> Iterator[str]:
    expected = {"ports.parquet", "ports.yaml", "store", ".prefect", "contract.yaml", "nightcast-nights"}
    for path in world.folder.iterdir():
        if path.name not in expected:
            yield f"8: {path.name} was written beside the store"
    if world.store.exists():
        for path in world.store.iterdir():
            if path.name not in KINDS and not path.name.startswith("."):
                yield f"8: {path.name} is not a folder of the store"


def _newest_decisions(store: Path) -> Iterator[dict]:
    for folder in store.glob("decisions/pipeline=*"):
        records = sorted(folder.glob("vintage=*.json"))
        if records and (record := _read(records[-1])):
            yield record


def _read(path: Path) -> dict:
    try:
        record = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
