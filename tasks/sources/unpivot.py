"""Unpivot a wide table: each target column becomes its own series, and each of its cells one observation.

wide    shop  day  sold  returned          long   row  source_row  target    unique_id      ds   y
     0  a     Mon     5         1                   0           0  sold      a/sold         Mon  5
                                                    1           0  returned  a/returned     Mon  1
"""

import fnmatch
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def match_columns(patterns: Sequence[str], names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Find the columns that match `patterns`.

    Args:
        patterns: Column names or globs.
        names: The columns of the source.
        taken: Columns with another role, which never match.

    Returns:
        The matching columns in the order of the source, then the patterns without a match, so that a message can name
        them as missing columns.
    """
    free = [name for name in dict.fromkeys(names) if name not in set(taken)]
    exact = {pattern for pattern in patterns if pattern in free}
    globs = [pattern for pattern in patterns if pattern not in exact]
    matches = [name for name in free if name in exact or any(fnmatch.fnmatchcase(name, glob) for glob in globs)]
    unmatched = [glob for glob in globs if not any(fnmatch.fnmatchcase(name, glob) for name in free)]
    return matches + unmatched


def unpivot(shared: pa.Table, cells: pa.Table) -> pa.Table:
    """Make a row of each cell.

    Args:
        shared: ds, unique_id if the source has it, and the covariates: repeated for each cell of a row.
        cells: The target columns.

    Returns:
        row, unique_id, ds, y, source_row, target and the covariates, target by target.
    """
    count, targets = shared.num_rows, cells.column_names
    value_type = _common_type({field.type for field in cells.schema} - {pa.null()})
    parts = []
    for number, target in enumerate(targets):
        names = pa.repeat(pa.scalar(target, pa.string()), count)
        columns = {"row": pa.array(np.arange(number, count * len(targets), len(targets)))}
        columns["unique_id"] = _join_names(shared["unique_id"], names) if "unique_id" in shared.column_names else names
        columns |= {"ds": shared["ds"], "y": cells[target].cast(value_type, safe=False)}
        columns |= {"source_row": pa.array(np.arange(count)), "target": names}
        columns |= {name: shared[name] for name in shared.column_names if name not in columns}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def _join_names(series: pa.ChunkedArray, targets: pa.Array) -> pa.ChunkedArray:
    text = series if pa.types.is_string(series.type) else series.cast(pa.string())
    return pc.binary_join_element_wise(text, pa.chunked_array([targets]), "/")


def _common_type(types: set[pa.DataType]) -> pa.DataType:
    if len(types) < 2:
        return next(iter(types), pa.null())
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    numeric = all(any(test(value_type) for test in tests) for value_type in types)
    return pa.float64() if numeric else pa.string()
