"""Wide tables: each target column becomes series of its own, and each of its cells one observation.

read    shop  day  sold  returned          told   row  source_row  target    unique_id      ds   y
     0  a     Mon     5         1                   0           0  sold      a/sold         Mon  5
                                                    1           0  returned  a/returned     Mon  1
"""

import fnmatch
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def match_columns(patterns: Sequence[str], names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """The columns that `patterns` (names or globs) mean, in the order of the source; never one that is `taken`.

    A pattern that means none stands for itself at the end, so that it is missed by its name.
    """
    free = [name for name in dict.fromkeys(names) if name not in set(taken)]
    exact = {pattern for pattern in patterns if pattern in free}
    globs = [pattern for pattern in patterns if pattern not in exact]
    found = [name for name in free if name in exact or any(fnmatch.fnmatchcase(name, one) for one in globs)]
    lost = [one for one in globs if not any(fnmatch.fnmatchcase(name, one) for name in free)]
    return found + lost


def unpivot(kept: pa.Table, cells: pa.Table) -> pa.Table:
    """One row a cell: `kept` has unique_id (or not), ds and what every cell of a row shares, `cells` the targets."""
    count, targets = kept.num_rows, cells.column_names
    kind = _shared({field.type for field in cells.schema} - {pa.null()})
    parts = []
    for number, target in enumerate(targets):
        names = pa.array([target] * count, pa.string())
        ours = {"row": pa.array(range(number, count * len(targets), len(targets)), pa.int64())}
        ours["unique_id"] = _joined(kept["unique_id"], names) if "unique_id" in kept.column_names else names
        ours |= {"ds": kept["ds"], "y": cells[target].cast(kind, safe=False)}
        ours |= {"source_row": pa.array(range(count), pa.int64()), "target": names}
        ours |= {name: kept[name] for name in kept.column_names if name not in ours}
        parts.append(pa.table(ours))
    return pa.concat_tables(parts)


def _joined(series: pa.ChunkedArray, names: pa.Array) -> pa.ChunkedArray:
    text = series if pa.types.is_string(series.type) else series.cast(pa.string())
    return pc.binary_join_element_wise(text, pa.chunked_array([names]), "/")


def _shared(kinds: set[pa.DataType]) -> pa.DataType:
    if len(kinds) < 2:
        return next(iter(kinds), pa.null())
    numeric = all(pa.types.is_integer(one) or pa.types.is_floating(one) or pa.types.is_boolean(one) for one in kinds)
    return pa.float64() if numeric else pa.string()
