"""Segments: each series, and the series that share a value of a static column or of a part of their name."""

import pandas as pd

from models.data.panel_table import PanelTable
from tasks.modeling.scores import losses_of_groups

SERIES, SEGMENT = "series", "segment"
LEVELS = ("by", "segment", "cutoff")


def segments_of(clean: PanelTable, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the last value of each column that groups series, indexed by unique_id.

    Args:
        clean: The clean table.
        columns: Static columns, and columns that together name a series.

    Returns:
        A row per series.
    """
    return clean.labels.set_index("unique_id")[list(columns)]


def losses_by_segment(table: pd.DataFrame, metric: str, segments: pd.DataFrame) -> pd.Series:
    """Split the score of one model in each segment over the origins.

    Args:
        table: Rows of one model of a backtest.
        metric: mase, wql or mae.
        segments: The columns that group series, indexed by unique_id. A column is left out if all series share one
            value, or if no two do: its segments are those of all rows, or of single series.

    Returns:
        Losses, indexed by LEVELS: `by` is series, or segment and the name of a column. The mean over the origins is the
        score of the segment. NaN if a forecast is not finite; a segment in which the metric is undefined is absent.
    """
    names, count = table["unique_id"], table["unique_id"].nunique()
    groups = {SERIES: names}
    groups |= {f"{SEGMENT} {column}": names.map(segments[column]).astype(str) for column in segments.columns}
    parts = {
        by: losses_of_groups(table, metric, group)
        for by, group in groups.items()
        if by == SERIES or 1 < group.nunique() < count
    }
    return pd.concat(parts, names=LEVELS).rename_axis(list(LEVELS))
