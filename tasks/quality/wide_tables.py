"""A wide table as its contract sees it, one row a row of the source, and its faults back on the cells they are of."""

import pandas as pd

from tasks.quality.violations import Violation
from tasks.sources.dataset import DatasetSpec


def their_words(frame: pd.DataFrame, raw: pd.DataFrame, reading: DatasetSpec) -> pd.DataFrame:
    """The typed values under the source's names, a row of the source each; `row` numbers them as the source does."""
    columns = reading.columns
    place, target = raw["source_row"], raw["target"]
    values = frame.assign(place=place, target=target).pivot(index="place", columns="target", values="y")
    first = ~place.duplicated()
    told = pd.DataFrame({"row": place[first]})
    if columns.unique_id:
        told[columns.unique_id] = ids(frame.loc[first, "unique_id"], target[first])
    else:
        told["unique_id"] = columns.target
    told[columns.ds] = frame.loc[first, "ds"]
    if columns.known_at:
        told[columns.known_at] = reading.known(raw.loc[first, "known_at"])
    for name in reading.wanted:
        told[name] = (frame if name in frame else raw).loc[first, name]
    return told.join(values, on="row")


def ids(names: pd.Series, targets: pd.Series) -> pd.Series:
    """The ids of the source in the names of our series: a/sold is of a."""
    pairs = zip(names, targets, strict=True)
    told = [name[: -len(target) - 1] if isinstance(name, str) else None for name, target in pairs]
    return pd.Series(told, names.index, dtype="str")


def split_by_target(faults: list[Violation], raw: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Faults of the targets, one for each target that has some; the others as they are."""
    if isinstance(reading.columns.y, str):
        return faults
    names = raw.set_index("row")["target"]
    told = []
    for fault in faults:
        if fault.column != reading.columns.target:
            told.append(fault)
            continue
        rows = pd.Series(fault.rows)
        for name, of_one in rows.groupby(rows.map(names), sort=False):
            told.append(fault._replace(column=str(name), rows=of_one.tolist()))
    return told


def of_cells(faults: list[Violation], raw: pd.DataFrame, reading: DatasetSpec) -> list[Violation]:
    """Faults of rows of the source as faults of their cells: those of the targets that the rule is about, or of all."""
    if isinstance(reading.columns.y, str):
        return faults
    told, every = [], set(raw["target"])
    for fault in faults:
        about = every & {*fault.column.split(", ")} or every
        cells = raw["source_row"].isin(fault.rows) & raw["target"].isin(about)
        told.append(fault._replace(rows=raw.loc[cells, "row"].tolist()))
    return told
