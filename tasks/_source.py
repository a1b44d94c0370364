"""Reads a table from wherever it lies: CSV as text, Parquet as it is, never more than this machine should hold."""

import contextlib
import hashlib
import lzma
import re
import zlib
from collections.abc import Collection, Iterator
from typing import Literal
from zoneinfo import ZoneInfo

import fsspec
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.dataset as pds
from pydantic import field_validator

from data_contracts.errors import SourceUnreadable, SpecError, redacted
from data_contracts.spec import Spec

MOST_VALUES = 500_000_000  # rows x columns that are asked for
MOST_BYTES = 8 << 30  # unpacked: a file of 88 KB can hold 560 MB, and its footer does not say so

NO_FILE_OF_ITS_KIND = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, zlib.error, lzma.LZMAError)


def known_zone(zone: str) -> str:
    """`zone`, if there is such a time zone; ValueError where there is none."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(f"{zone!r} is no time zone; write one such as Europe/Berlin") from unknown
    return zone


class SourceSpec(Spec):
    """Where the table comes from; `path` may be any fsspec URL, a folder or a glob."""

    kind: Literal["csv", "parquet"]
    path: str
    timezone: str | None = None
    """The zone of times that carry none; UTC where it is not given."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        return known_zone(zone) if zone else None

    @property
    def shown(self) -> str:
        """The path as it may stand in a message or a record: without a password."""
        return redacted(self.path)


def read_source(source: SourceSpec, columns: Collection[str] | None = None) -> pa.Table:
    """Its `columns`, or all; no rows where one of them is missing. CSV comes as text, so that `007` stays `007`.

    Raises SourceUnreadable with the reason, also for a table that is too large.
    """
    with _refusing(source):
        filesystem, path = fsspec.core.url_to_fs(source.path)
        if source.kind == "csv":
            return _read_csv(filesystem, path, source)
        files = _files(filesystem, path)
        if not files:
            raise FileNotFoundError(path)
        dataset = pds.dataset(files, filesystem=filesystem, format="parquet", partitioning=_keys_as_text(files, path))
        if columns is not None and set(columns) - set(dataset.schema.names):
            return dataset.schema.empty_table()
        names = list(dict.fromkeys(columns)) if columns is not None else dataset.schema.names
        _bounded(dataset.count_rows() * len(names), MOST_VALUES, "values", source)
        batches, size = [], 0
        for batch in dataset.scanner(columns=names).to_batches():
            size += batch.nbytes
            _bounded(size, MOST_BYTES, "bytes", source)
            batches.append(batch)
        return pa.Table.from_batches(batches, pa.schema([dataset.schema.field(name) for name in names]))


def fingerprint(source: SourceSpec) -> str:
    """Digest of the source's files, so that a changed source is read again and an unchanged one is not."""
    with _refusing(source):
        filesystem, path = fsspec.core.url_to_fs(source.path)
        digest = hashlib.sha256()
        for name in _files(filesystem, path):
            digest.update(f"{name}\n".encode())
            with filesystem.open(name, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


@contextlib.contextmanager
def _refusing(source: SourceSpec) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as missing:
        raise SourceUnreadable(f"the source {source.shown}", ["there is no such file"]) from missing
    except NO_FILE_OF_ITS_KIND as unreadable:
        reason = (
            f"it can't be read as {source.kind}: {(str(unreadable).splitlines() or [type(unreadable).__name__])[0]}"
        )
        raise SourceUnreadable(f"the source {source.shown}", [reason]) from unreadable
    except (ValueError, ImportError) as unknown:  # of fsspec: a protocol that does not exist, or is not installed
        raise SpecError(f"the source {source.shown} can't be opened: {unknown}") from unknown


def _files(filesystem: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """Every file of a glob, a folder or a single path; names that start with . or _ are somebody's bookkeeping."""
    globbed = re.search(r"[*?\[]", path) and not filesystem.exists(path)
    found = filesystem.glob(path) if globbed else filesystem.find(path)
    return sorted(name for name in found if name == path or not name.rsplit("/", 1)[-1].startswith((".", "_")))


def _keys_as_text(files: list[str], path: str) -> pds.Partitioning:
    """Hive keys as text: the folder `series=007` is the series 007, not 7."""
    below = (name.removeprefix(path) for name in files)
    keys = dict.fromkeys(key for name in below for key in re.findall(r"([^/=]+)=[^/]*/", name))
    return pds.partitioning(pa.schema([(key, pa.string()) for key in keys]), flavor="hive")


def _read_csv(filesystem: fsspec.AbstractFileSystem, path: str, source: SourceSpec) -> pa.Table:
    with filesystem.open(path, "rb", compression="infer") as file:
        data: bytes = file.read(MOST_BYTES + 1)
    _bounded(len(data), MOST_BYTES, "bytes", source)
    if not data.strip():
        raise SourceUnreadable(f"the source {source.shown}", ["the file is empty: not even a header"])
    parsing = pcsv.ParseOptions(newlines_in_values=True)
    header = pcsv.open_csv(pa.BufferReader(data), parse_options=parsing).schema.names
    text = pcsv.ConvertOptions(
        column_types={name: pa.string() for name in header},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    return pcsv.read_csv(pa.BufferReader(data), parse_options=parsing, convert_options=text)


def _bounded(count: int, most: int, what: str, source: SourceSpec) -> None:
    if count > most:
        reason = f"it holds {count:,} {what} or more, and at most {most:,} are read"
        raise SourceUnreadable(f"the source {source.shown}", [f"{reason}; name fewer columns, or cut the history"])
