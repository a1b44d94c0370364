"""Every series without a forecast of this night, and why: known to the source, or forecast in the nights before."""

import unicodedata

import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import StoreDamaged
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.series import Cause, SeriesWithoutForecast
from tasks.results.steps import ForecastResult, ValidatedTable
from tasks.sources.names import format_name
from tasks.storage.store import Store
from tasks.storage.vintages import Published

SILENT_CAUSES = ("closed",)  # expected, so no warning


def list_without_forecast(
    raw: Artifact,
    validated: ValidatedTable,
    forecasted: ForecastResult,
    past: tuple[Published, ...],
    lookback: int,
    store: Store,
) -> tuple[SeriesWithoutForecast, ...]:
    """List the series that this night did not forecast.

    Args:
        raw: The raw table: a series may have no row that is used.
        validated: The clean table, the quarantine and the row counts.
        forecasted: The forecasts of this night.
        past: The newest earlier vintages: their series were known before.
        lookback: Steps that a model reads; a series without an observation in them has ended.
        store: The store that holds the tables.

    Returns:
        One entry per series, sorted by name.
    """
    table = store.get(forecasted.table, ["unique_id"]) if forecasted.table.rows else pd.DataFrame({"unique_id": []})
    clean = load_clean_table(validated.clean, store)
    rejected = store.get(validated.quarantine, ["unique_id"]) if validated.quarantine else table
    in_clean, in_quarantine = set(clean.ids), set(rejected["unique_id"].dropna().unique())
    in_raw = _names_in(raw, store)
    before = {name: night for vintage in past for name, night in _series_of(vintage, store).items()}
    known = clean.last_known()
    newest = dict(zip(clean.ids[known >= 0], clean.times[known[known >= 0]], strict=True))
    recent = clean.times[: clean.steps_until(pd.Timestamp(validated.cutoff))][-lookback:].min()
    unused = set(validated.health.set_aside)
    silent = {*validated.health.ended, *forecasted.left_out}
    missing = in_clean.union(in_raw, in_quarantine, before, unused, silent) - set(table["unique_id"].unique()) - {""}
    groups: tuple[tuple[Cause, set[str], str], ...] = (
        ("not finite", set(forecasted.not_finite), "no model gives it a finite forecast"),
        ("quarantined", unused, "a rule excluded it: all its rows are in quarantine"),
        ("quarantined", in_quarantine - in_clean, "all its rows are in quarantine"),
        ("too short", in_raw - in_clean, "it has no observation before the as-of"),
        ("vanished", missing - in_clean, "the source has no row of it any more; last forecast in the night of {night}"),
        ("too short", in_clean - set(newest), "it has no observation before the as-of"),
        ("ended", {name for name, ds in newest.items() if ds < recent}, "its last observation is of {newest}"),
        ("no future covariates", silent, "its known covariates do not reach over the horizon"),
        ("closed", missing, "it is closed at every step of the horizon"),
    )
    explained = []
    for name in sorted(missing):
        cause, _, reason = next(group for group in groups if name in group[1])
        last = f"{newest[name]:%Y-%m-%d %H:%M} UTC" if name in newest else "an unknown time"
        text = reason.format(night=before.get(name, "an unknown time"), newest=last)
        explained.append(SeriesWithoutForecast(series=name, cause=cause, reason=text))
    return tuple(explained)


def _names_in(raw: Artifact, store: Store) -> set[str]:
    """Return the names of all series of the raw table."""
    names = set[object]()
    for group in store.row_groups(raw, ["unique_id"]):
        names.update(group["unique_id"].unique().drop_null().to_pylist())
    return {_normalize(name) for name in names}


def _series_of(vintage: Published, store: Store) -> dict[str, str]:
    """Return the night of a vintage by series; empty if the file was damaged meanwhile."""
    try:
        names = store.get(vintage.file, ["unique_id"])["unique_id"].unique()
    except StoreDamaged:
        return {}
    return dict.fromkeys(map(str, names), f"{vintage.as_of:%Y-%m-%d %H:%M} UTC")


def _normalize(name: object) -> str:
    return unicodedata.normalize("NFC", format_name(name) or "")
