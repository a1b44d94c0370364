"""Join the tables of parts of a panel: each part was built from its rows alone, and its series come after those before.

part 0    a a a │ b b              joined    a a a │ b b │ c c c │ d
part 1    c c c │ d                times     those of all parts
"""

import numpy as np
import pandas as pd

from models.data.panel_table import PanelTable


def join_tables(parts: list[PanelTable]) -> PanelTable:
    """Join tables whose series follow each other in order, and whose columns are the same.

    Args:
        parts: At least one table. The list is emptied, so that only one column of one part is held twice.

    Returns:
        The table of all series.
    """
    if len(parts) == 1:
        return parts.pop()
    times = parts[0].times
    for part in parts[1:]:
        times = times.union(part.times)
    begins = [np.asarray(times.get_indexer(part.times), dtype=np.int64) for part in parts]
    ids = pd.Index(np.concatenate([part.ids.to_numpy() for part in parts]), dtype="str")
    first = np.concatenate([begin[part.first] for begin, part in zip(begins, parts, strict=True)])
    lengths = np.concatenate([part.lengths for part in parts])
    texts = pd.concat([part.texts for part in parts], ignore_index=True)
    columns = {name: [part.numbers[name] for part in parts] for name in parts[0].numbers}
    parts.clear()
    numbers = {name: _concatenate(columns.pop(name), int(lengths.sum())) for name in list(columns)}
    return PanelTable(ids, times, first, lengths, numbers, texts)


def _concatenate(parts: list[np.ndarray], size: int) -> np.ndarray:
    """Join parts that nothing else holds; each is freed once it is copied."""
    joined, begin = np.empty(size), 0
    while parts:
        part = parts.pop(0)
        joined[begin : begin + len(part)] = part
        begin += len(part)
    return joined
