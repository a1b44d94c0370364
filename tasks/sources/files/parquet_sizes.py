"""How much memory the columns of a Parquet file take, from its footer, before their values are decoded.

A footer counts encoded bytes: a million rows that repeat a text of a megabyte are a megabyte there, and a terabyte in
memory. Columns of which this is possible are read as dictionaries, which keep each text once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

VALUE_BYTES = {"BOOLEAN": 1, "INT64": 8, "DOUBLE": 8, "INT96": 12}  # of a value in memory; 4 for the others


class FooterSizes(NamedTuple):
    """Sizes of the columns of one file: bytes that its footer declares, and bytes if each text repeats the longest."""

    declared: Mapping[str, int]
    expanded: Mapping[str, float]

    def declared_bytes(self, columns: Collection[str]) -> int:
        """Return the bytes of the chosen columns, of which a nested one has several parts."""
        parts = {name for name in self.declared if name in columns or name.split(".", 1)[0] in columns}
        return sum(self.declared[name] for name in parts)


NO_SIZES = FooterSizes({}, {})


def read_footer(part: pds.Dataset) -> FooterSizes:
    """Return the sizes of a Parquet file."""
    declared, expanded = defaultdict[str, int](int), defaultdict[str, float](float)
    for chunk in _chunks(part):
        size, name = chunk.total_uncompressed_size, chunk.path_in_schema
        declared[name] += max(size, chunk.num_values * VALUE_BYTES.get(chunk.physical_type, 4))
        if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page:
            ratio = max(1.0, size / max(1, chunk.total_compressed_size))
            expanded[name] += max(0, chunk.data_page_offset - chunk.dictionary_page_offset) * ratio * chunk.num_values
    return FooterSizes(declared, expanded)


def decoded_bytes(values: pa.Array) -> int:
    """Return the bytes of a column without its dictionary.

    Args:
        values: A column; of a dictionary, the size of its values is summed before they are copied.

    Returns:
        The bytes in memory.
    """
    if not pa.types.is_dictionary(values.type) or not len(values):
        return int(values.nbytes)
    kind = values.type.value_type
    if not (pa.types.is_binary(kind) or pa.types.is_string(kind)):
        return int(values.nbytes)
    lengths = pc.cast(pc.binary_length(values.dictionary), pa.int64())
    return int(pc.sum(lengths.take(values.indices)).as_py() or 0) + 4 * len(values)


def _chunks(part: pds.Dataset) -> Iterator[Any]:
    for fragment in part.get_fragments():
        metadata: Any = getattr(fragment, "metadata", None)
        for group in range(metadata.num_row_groups if metadata else 0):
            row_group = metadata.row_group(group)
            yield from (row_group.column(index) for index in range(row_group.num_columns))
