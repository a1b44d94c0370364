"""Forecast tables: predict with a bundle, audit a table before it is published."""

import numpy as np
import pandas as pd

from data_contracts.errors import ContractBroken, NightcastError
from models.bundle import Bundle
from models.data.panel import InputSpec, Panel
from models.predict import predict
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.scores import quantile_columns, quantile_name
from tasks.storage.store import Store


class NotComparable(NightcastError):
    """A model of an earlier night that can't be compared with tonight's."""


def forecast_table(bundle: Bundle, clean: pd.DataFrame, rows: pd.DataFrame, bounds: OutputSpec) -> pd.DataFrame:
    """One row a series, cutoff and step: `rows` has (unique_id, cutoff), the answer adds ds, step, y_hat, quantiles."""
    panel = Panel.from_frame(clean, bundle.view)
    code = {name: number for number, name in enumerate(panel.ids)}
    series = rows["unique_id"].map(code).to_numpy(np.int32)
    position = (panel.grid.get_indexer(rows["cutoff"]) - panel.first[series]).astype(np.int32)
    predicted = predict(bundle, panel, series, position, bounds.minimum, bounds.maximum)
    count, horizon, _ = predicted.shape
    levels = bundle.levels
    table = pd.DataFrame(
        {
            "unique_id": rows["unique_id"].repeat(horizon).to_numpy(),
            "ds": pd.DatetimeIndex(panel.times(series, position, horizon).reshape(-1), tz="UTC"),
            "cutoff": rows["cutoff"].repeat(horizon).to_numpy(),
            "step": np.tile(np.arange(1, horizon + 1, dtype=np.int16), count),
            "y_hat": predicted[:, :, levels.index(0.5)].reshape(-1),
        }
    )
    for place, level in enumerate(levels):
        table[quantile_name(level)] = predicted[:, :, place].reshape(-1)
    return table


def load_comparable(rival: Candidate, view: InputSpec, bounds: OutputSpec, store: Store) -> Bundle:
    """The rival's bundle. Raises StoreDamaged where it is damaged, and Unlike where it answers another question."""
    bundle = load_bundle(rival, store)
    for word, theirs, ours in (
        ("horizon", bundle.horizon, view.horizon),
        ("quantiles", bundle.levels, bounds.quantiles),
        ("freq", bundle.view.freq, view.freq),
    ):
        if theirs != ours:
            raise NotComparable(f"{rival.label} was made for {word} {theirs}, and the spec now asks for {ours}")
    missing = set(bundle.view.features.known_columns + bundle.view.features.observed + bundle.view.features.static)
    missing -= set(view.features.known_columns + view.features.observed + view.features.static)
    if missing:
        raise NotComparable(f"{rival.label} learned from {', '.join(sorted(missing))}, which the spec no longer names")
    return bundle


def audit_forecasts(table: pd.DataFrame, horizon: int) -> None:
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
