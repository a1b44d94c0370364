"""One type for a column that has other types in other files: numbers, text, and text for a mixture of both."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tasks.sources.names import names_as_text

MAX_EXACT_INTEGER = 1 << 53  # a float64 holds every integer up to here
MIN_SHARED_SHARE = 0.5  # of the columns of the narrower of two files that hold the same table


class InexactColumn(Exception):  # caught by the reader, which then reads the column as text
    """A column whose values the common type of its files cannot hold."""

    def __init__(self, name: str) -> None:
        """Keep the name of the column."""
        self.name = name
        super().__init__(name)


class DifferentTables(NamedTuple):
    """Two files of a folder that hold different tables, and the columns that only one of them has."""

    first: str
    second: str
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The sentence of a message."""
        return (
            f"its files hold different tables: {self.first} has {_join(self.only_first)}, and {self.second} has "
            f"{_join(self.only_second)} instead. Give one of them, or a glob that matches the files of one table"
        )


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type without dictionary, and text for the variants of text."""
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(value_type) or pa.types.is_string_view(value_type) else value_type


def common_type(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return a type that holds the values of both types without loss; None if no type does.

    Args:
        first: The type of a column in one file.
        second: Its type in another file.

    Returns:
        The wider type of two numbers or of two times; text for text and a number, boolean, date or bytes. Integers
        and floats give floats, which `convert` refuses for integers beyond 2**53.
    """
    kinds = (first, second)
    if any(pa.types.is_string(kind) for kind in kinds):
        return None if any(pa.types.is_nested(kind) for kind in kinds) else pa.string()
    numbers = all(_is_number(kind) or pa.types.is_boolean(kind) for kind in kinds) and first != second
    if numbers and any(pa.types.is_floating(kind) or pa.types.is_boolean(kind) for kind in kinds):
        return pa.float32() if {*kinds} == {pa.float16(), pa.float32()} else pa.float64()
    try:
        pair = [pa.schema([("column", kind)]) for kind in kinds]
        return pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except pa.ArrowException:
        scale = next((kind.scale for kind in kinds if pa.types.is_decimal(kind)), None)
        return pa.decimal128(38, scale) if numbers and scale is not None else None


def convert(values: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    """Convert the values of one file to the common type.

    Args:
        values: The values.
        kind: The type of `common_type`.
        name: The column, for the error.

    Returns:
        The values with type `kind`.

    Raises:
        InexactColumn: The type cannot hold a value without loss.
        ArrowInvalid: A value that is not a number does not fit the type.
    """
    if values.type == kind:
        return values
    if pa.types.is_string(kind) and not pa.types.is_string(plain_type(values.type)):
        return pa.concat_arrays(names_as_text(values).chunks) if len(values) else pa.array([], kind)
    try:
        converted = values.cast(kind)
    except pa.ArrowInvalid as inexact:
        if not _is_number(values.type):
            raise
        raise InexactColumn(name) from inexact
    if pa.types.is_decimal(values.type) and pa.types.is_floating(kind) and _exceeds_float(converted):
        raise InexactColumn(name)
    return converted


def find_different_tables(headers: Mapping[str, Iterable[str]]) -> DifferentTables | None:
    """Find two files of a folder that are different tables and not versions of one.

    A later file of one table adds columns and seldom loses any. So both files must have columns of their own, and share
    fewer than half of the columns of the narrower file.

    Args:
        headers: The column names of each file.

    Returns:
        The first such pair, or None.
    """
    distinct = {frozenset(names): file for file, names in reversed([*headers.items()])}
    for names, file in distinct.items():
        for other_names, other in distinct.items():
            shared, narrow = len(names & other_names), min(len(names), len(other_names))
            if names - other_names and other_names - names and shared < MIN_SHARED_SHARE * narrow:
                pair = sorted([(file, names, other_names), (other, other_names, names)])
                (first, own, _), (second, others, _) = pair
                return DifferentTables(first, second, tuple(sorted(own - others)), tuple(sorted(others - own)))
    return None


def _exceeds_float(values: pa.Array) -> bool:
    largest = pc.max(pc.abs(values)).as_py()
    return largest is not None and largest > MAX_EXACT_INTEGER


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _join(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
