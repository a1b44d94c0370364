"""Explain why tonight's forecast differs from that of the night before for the same times.

night before   c0 │ 1 2 3 4 5 6           tonight   c1 │ 1 2 3 4 5 6        times in both:   3 4 5 6 of the first
                                                                                            1 2 3 4 of the second
"""

import pandas as pd

from tasks.engine.step import step
from tasks.modeling.clean_table import load_clean_table, read_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import load_comparable
from tasks.modeling.revision_parts import CAUSES, ForecastInputs, split_revision
from tasks.modeling.series import sample_series
from tasks.results.revision import ForecastNight, RevisionParts
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
        The mean revision and its parts, and a table with a row per series and time that both nights forecast.

    Raises:
        StoreDamaged: A table or a bundle is missing or damaged.
        NotComparable: The model of the night before was made for another setup.
    """
    if before is None or before.cutoff > tonight.cutoff:
        return RevisionParts()
    columns = [*KEY, "y_hat"]
    old, new = (store.get(night.table, columns).rename(columns={"y_hat": name}) for night, name in
                ((before, "before"), (tonight, "after")))  # fmt: skip
    rows = sample_series(old.merge(new, "inner", KEY), MAX_SERIES)
    if rows.empty:
        return RevisionParts()
    inputs, names = [], rows["unique_id"].unique()
    for night, load in ((before, read_clean_table), (tonight, load_clean_table)):
        bundle = load_comparable(night.model, setup.view, setup.bounds, store)
        frame = load(night.clean, store).select(names).frame()
        inputs.append(ForecastInputs(frame, pd.Timestamp(night.cutoff), bundle))
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
