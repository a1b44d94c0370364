"""Write, audit, publish: a forecast table becomes visible whole or not at all, and one cutoff is there once.

artifacts/forecasts/<digest>.parquet ──audit──> forecasts/pipeline=…/vintage=…/forecasts.parquet ──> latest/…
"""

from datetime import datetime

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken, StoreDamaged
from data_contracts.spec import Spec
from tasks import _journal
from tasks._ledger import vintage, vintage_of, whole_second
from tasks._scores import quantile_columns
from tasks._store import Store


class Published(Spec):
    """One published vintage and the bytes that analysts read there."""

    as_of: datetime
    file: Artifact


def audit(table: pd.DataFrame, horizon: int) -> None:
    """Raise ContractBroken where a forecast table is not complete, finite and ordered: it would mislead its readers."""
    findings = [] if len(table) else ["it has no rows"]
    values = table[["y_hat", *quantile_columns(table)]].to_numpy()
    if not np.isfinite(values).all():
        findings.append(f"{int((~np.isfinite(values)).any(axis=1).sum())} rows hold a forecast that is not finite")
    if (np.diff(values[:, 1:], axis=1) < 0).any():
        findings.append("quantiles fall where they must rise")
    counts = table.groupby(["unique_id", "cutoff"]).size()
    if not (counts == horizon).all():
        findings.append(f"{int((counts != horizon).sum())} series have not exactly {horizon} steps")
    ordered = table.sort_values("ds")
    if (ordered.groupby(["unique_id", "cutoff"]).cumcount() + 1 != ordered["step"]).any():
        findings.append(f"steps do not count from 1 to {horizon} in the order of time")
    if table.duplicated(["unique_id", "ds", "cutoff"]).any():
        findings.append("a (unique_id, ds, cutoff) stands twice")
    if not (table["ds"] > table["cutoff"]).all():
        findings.append("a row forecasts a time that is not after its cutoff")
    if findings:
        raise ContractBroken("the forecasts table", findings)


def publish(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> Artifact:
    """Make an audited table visible under its vintage and, where no newer vintage is there, as the latest."""
    file = store.publish(table, f"forecasts/pipeline={pipeline}/vintage={vintage(as_of)}/forecasts.parquet")
    publish_latest(table, pipeline, as_of, store)
    return file


def publish_latest(table: Artifact, pipeline: str, as_of: datetime, store: Store) -> None:
    """Point the one stable path at a vintage, unless a newer one is there; mends a path that was lost."""
    moments = [vintage_of(uri) for uri in store.listing(f"forecasts/pipeline={pipeline}")]
    if all(moment <= as_of for moment in moments if moment):
        store.publish(table, f"latest/pipeline={pipeline}/forecasts.parquet")


def published_before(pipeline: str, as_of: datetime, count: int, store: Store) -> tuple[Published, ...]:
    """The newest `count` vintages that were made before `as_of` and are whole, oldest first."""
    found: list[Published] = []
    for uri in reversed(store.listing(f"forecasts/pipeline={pipeline}")):
        moment = vintage_of(uri)
        if moment and moment < whole_second(as_of) and uri.endswith("/forecasts.parquet") and len(found) < count:
            try:
                found.append(Published(as_of=moment, file=store.claim(uri, "forecasts")))
            except StoreDamaged as damaged:  # an old forecast that can't be scored holds up no new one
                _journal.log.warning("passed over: %s", damaged)
    return tuple(reversed(found))
