"""Explain why tonight's forecast differs from that of the night before for the same times.

night before   c0 │ 1 2 3 4 5 6           tonight   c1 │ 1 2 3 4 5 6        times in both:   3 4 5 6 of the first
                                                                                            1 2 3 4 of the second
"""

import pandas as pd

from tasks.engine.step import step
from tasks.modeling.clean_table import load_clean_table, read_clean_series
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import NotComparable, load_comparable
from tasks.modeling.revision_parts import CAUSES, ForecastInputs, split_revision
from tasks.modeling.series import sample_names
from tasks.results.manifest import load_recalibration
from tasks.results.revision import ForecastNight, RevisionParts
from tasks.storage.series_rows import open_series_files
from tasks.storage.store import Store

KEY = ["unique_id", "ds"]
MAX_SERIES = 500  # that are compared: up to 16 forecasts are made of each


@step
def attribute_revision(
    tonight: ForecastNight, before: ForecastNight | None, setup: ForecastSetup, store: Store
) -> RevisionParts:
    """Split the difference between two forecasts of the same times into its causes.

    Args:
        tonight: The forecast of this night.
        before: The newest earlier forecast; None on a first night, or if its tables were collected.
        setup: Inputs and outputs that both models must share.
        store: The store that holds tables and bundles.

    Returns:
        The mean revision and its parts, and a table with a row per series and time that both nights forecast. If the
        model of the night before was made for another setup, and cannot forecast tonight's inputs: the reason.

    Raises:
        StoreDamaged: A table or a bundle is missing or damaged.
    """
    if before is None or before.cutoff > tonight.cutoff:
        return RevisionParts()
    rows = _read_shared_rows(before, tonight, store)
    if rows.empty:
        return RevisionParts()
    try:
        bundles = [load_comparable(night.model, setup.view, setup.bounds, store) for night in (before, tonight)]
    except NotComparable as obstacle:
        return RevisionParts(obstacle=str(obstacle))
    names = rows["unique_id"].unique()
    frames = read_clean_series(before.clean, names, store), load_clean_table(tonight.clean, store).select(names).frame()
    inputs = [
        ForecastInputs(
            clean=frame,
            cutoff=pd.Timestamp(night.cutoff),
            bundle=bundle,
            recalibration=load_recalibration(night.recalibration, store),
        )
        for night, frame, bundle in zip((before, tonight), frames, bundles, strict=True)
    ]
    table = split_revision(inputs[0], inputs[1], rows.sort_values(KEY, ignore_index=True), setup.bounds)
    size = (table["after"] - table["before"]).abs()
    worst = table.loc[size.idxmax()]
    return RevisionParts(
        table=store.put(table, "forecast_revisions"),
        times=len(table),
        size=float(size.mean()),
        **{cause: float(table[cause].abs().mean()) for cause in CAUSES},
        largest=f"{worst['unique_id']!r} at {worst['ds']:%Y-%m-%d %H:%M} UTC: {worst['before']:g} → {worst['after']:g}",
    )


def _read_shared_rows(before: ForecastNight, tonight: ForecastNight, store: Store) -> pd.DataFrame:
    """Return unique_id, ds, before and after of what both nights forecast, of at most MAX_SERIES series."""
    with open_series_files([before.table, tonight.table], store) as files:
        earlier, later = (set(file.names().to_pylist()) for file in files)
        names = sample_names(earlier & later, MAX_SERIES)
        old, new = (file.select(names, [*KEY, "y_hat"]).to_pandas() for file in files)
    return old.rename(columns={"y_hat": "before"}).merge(new.rename(columns={"y_hat": "after"}), "inner", KEY)
