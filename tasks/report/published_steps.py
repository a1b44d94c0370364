"""Errors and coverage of the published forecasts by step, for the charts of the page."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from models.data.panel_table import PanelTable
from tasks.history.columns import concat_vintages
from tasks.history.lead_times import score_lead_times
from tasks.history.published import read_rows
from tasks.history.selection import Selection
from tasks.modeling.series import sample_table
from tasks.storage.store import Store
from tasks.storage.vintages import Published

MAX_SERIES = 500  # that are scored
KEY = ["unique_id", "ds"]


def score_published_steps(past: Sequence[Published], clean: PanelTable, store: Store) -> pd.DataFrame:
    """Score earlier vintages by step on what is known now.

    Args:
        past: Published vintages, oldest first.
        clean: The clean table of this night.
        store: The store that holds the vintages.

    Returns:
        The table of `score_lead_times`: a row per step with an actual. Each (unique_id, ds, cutoff) counts once, in its
        newest vintage.
    """
    known = sample_table(clean, MAX_SERIES).frame()
    known = known.loc[known["y"].notna(), [*KEY, "y"]]
    if not past or known.empty:
        return pd.DataFrame(columns=["step", "rows"])
    selection = Selection(series=tuple(known["unique_id"].unique()))
    vintages = concat_vintages([read_rows(vintage.file.uri, store, selection) for vintage in past]).to_pandas()
    forecasts = vintages.drop_duplicates([*KEY, "cutoff"], keep="last")
    joined = forecasts.merge(known, "inner", KEY)
    table = pa.Table.from_pandas(joined, preserve_index=False)
    return score_lead_times(table).to_pandas()
