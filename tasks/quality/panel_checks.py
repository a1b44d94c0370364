"""Checks of the panel on its grid: names that look equal, open steps without a value, what the horizon has."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.data.closed_times import ClosedTimes, week_slots
from models.data.panel_table import PanelTable
from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec

MAX_GAP_SHARE = 0.9  # of all steps: a higher share suggests a wrong freq or a missing `cleaning.fill`
MAX_LISTED_NAMES = 4


class OpenSteps(NamedTuple):
    """Steps of each series that are not closed, (S,) int64, and how many of them have no value, (S,) int64."""

    steps: np.ndarray
    gaps: np.ndarray


def count_open_steps(panel: PanelTable, end: int, closed: ClosedTimes) -> OpenSteps:
    """Count the open steps of each series, and those without a value.

    Args:
        panel: Each series on its grid.
        end: The step after the last one that counts, an index in `panel.times`.
        closed: The closed times of each series.

    Returns:
        The counts, in the order of the series that have begun before `end`.
    """
    counted = [np.zeros((2, 0), dtype=np.int64)]
    for part in (rows.between(0, end) for rows in panel.partitions()):
        codes = np.repeat(np.arange(len(part.ids)), part.lengths)
        missing = np.isnan(part.numbers["y"])
        if closed.slots.any():
            slots = week_slots(part.times.to_series(), closed.freq, closed.zone)
            is_open = ~closed.slots[closed.ids.get_indexer(part.ids)[codes], slots[part.row_steps]]
            codes, missing = codes[is_open], missing[is_open]
        sizes = [np.bincount(chosen, minlength=len(part.ids)) for chosen in (codes, codes[missing])]
        counted.append(np.stack(sizes))
    return OpenSteps(*np.concatenate(counted, axis=1))


def check_similar_names(ids: Iterable[str], reading: DatasetSpec) -> list[Violation]:
    """Report series whose names look equal: they differ in whitespace, or in invisible characters (Unicode Cf).

    Args:
        ids: The names of all series.
        reading: How the source is read.

    Returns:
        One violation for all such names; none if there are none.
    """
    groups = defaultdict(list)
    for name in ids:
        shown = name if name.isascii() else "".join(x for x in name if unicodedata.category(x) != "Cf")
        groups[" ".join(shown.split())].append(name)
    equal = [sorted(names) for names in groups.values() if len(names) > 1]
    if not equal:
        return []
    listed = ", ".join(" and ".join(map(repr, names)) for names in equal[:MAX_LISTED_NAMES])
    more = f" and {len(equal) - MAX_LISTED_NAMES:,} more" if len(equal) > MAX_LISTED_NAMES else ""
    reason = (
        f"differ only in whitespace or invisible characters: {listed}{more}; each is a series of its own. If one is "
        "meant, write its name the same way in all rows of the source"
    )
    column = ", ".join(reading.columns.id_columns) or reading.columns.target
    return [Violation("names of series look different", column, "info", reason, [])]


def check_density(
    panel: PanelTable, cutoff: pd.Timestamp, reading: DatasetSpec, closed: ClosedTimes
) -> tuple[int, list[Violation]]:
    """Report a table with few values per open step: freq or a time may be wrong, or a missing row may mean zero.

    Args:
        panel: Each series on its grid.
        cutoff: The last observation.
        reading: How the source is read.
        closed: The closed times of each series.

    Returns:
        The number of open steps up to the cutoff without a value, and the violation if they are most of all.
    """
    end = panel.steps_until(cutoff)
    steps, gaps = count_open_steps(panel, end, closed)
    total = int(gaps.sum())
    share = total / int(steps.sum()) if steps.any() else np.nan
    if not share > MAX_GAP_SHARE:
        return total, []
    worst = np.flatnonzero(panel.first < end)[[int(gaps.argmax())]]
    rows = panel.take(worst).frame()
    rows = rows[rows["ds"] <= cutoff]
    rows = rows[rows["y"].notna() | ~closed.contains(rows["unique_id"], rows["ds"])]
    name, begins = str(panel.ids[worst[0]]), rows["ds"].min()
    reason = (
        f"{share:.0%} of the steps of freq {reading.freq!r} have no value, most of them in series {name!r}, which "
        f"begins at {begins:%Y-%m-%d %H:%M}; if a missing row means zero, write `cleaning: {{fill: {{y: zero}}}}`"
    )
    return total, [Violation("most steps have a row", reading.columns.ds, "info", reason, [])]


def check_future_covariates(
    panel: PanelTable, cutoff: pd.Timestamp, reading: DatasetSpec, closed: ClosedTimes | None = None
) -> tuple[PanelTable, list[Violation]]:
    """Check that the known covariates have values over the horizon, except at closed steps.

    Args:
        panel: Each series on its grid, with the horizon at its end.
        cutoff: The last observation.
        reading: How the source is read.
        closed: The closed times of each series.

    Returns:
        The panel without the horizon of series that lack values, which only a baseline without covariates can
        forecast, and the violations: an error if every series lacks values, otherwise a warning.
    """
    if not reading.features.known_columns:
        return panel, []
    end = panel.steps_until(cutoff)
    ahead = panel.between(end, len(panel.times)).frame()
    ahead = ahead if closed is None else ahead[~closed.contains(ahead["unique_id"], ahead["ds"])]
    incomplete = ahead[ahead[list(reading.features.known_columns)].isna().any(axis=1)]
    if incomplete.empty:
        return panel, []
    excluded = incomplete["unique_id"].unique()
    severity = "error" if len(excluded) == ahead["unique_id"].nunique() else "warning"
    violations = []
    for name in reading.features.known_columns:
        gaps = incomplete[incomplete[name].isna()]
        if len(gaps):
            first = gaps.iloc[0]
            reason = (
                f"known covariate has no value for {len(gaps):,} of {len(ahead):,} steps of the horizon, first "
                f"series {first['unique_id']!r} at {first['ds']:%Y-%m-%d %H:%M}; supply the values, or move the column "
                "to features.observed"
            )
            violations.append(Violation("known covariates reach over the horizon", name, severity, reason, []))
    until_cutoff = np.clip(end - panel.first, 0, panel.lengths)
    return panel.shorten(np.where(panel.ids.isin(excluded), until_cutoff, panel.lengths)), violations
