"""How a CSV is written: its encoding, its delimiter, and the line that is not like its header."""

import codecs
import contextlib
import csv
import io
import itertools
from collections.abc import Callable, Iterator

from tasks.sources.limits import source_error
from tasks.sources.spec import SourceSpec

DELIMITERS = (",", ";", "\t", "|")
SAMPLE, ROWS = 1 << 16, 100  # bytes and rows that tell the delimiter
BLOCK = 1 << 20
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_utf8(data: bytes, source: SourceSpec, where: str) -> bytes:
    """The file in UTF-8 without a mark. Raises SourceUnreadable with line, byte and the way out."""
    encoding = codecs.lookup(source.encoding).name
    if encoding not in ("utf-8", "utf-8-sig"):
        try:
            return data.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeError as wrong:
            reason = f"{where}it is not written in {source.encoding}: {wrong}"
            raise source_error(source, f"{reason}; say which encoding it is") from wrong
    if data.startswith(UTF16):
        raise source_error(source, f"{where}it is written in UTF-16, not UTF-8; add `encoding: utf-16` to the source")
    data = data.removeprefix(codecs.BOM_UTF8)
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), BLOCK):
        try:
            decoder.decode(data[start : start + BLOCK], final=start + BLOCK >= len(data))
        except UnicodeDecodeError as wrong:
            place = start + wrong.start - (len(wrong.object) - len(data[start : start + BLOCK]))
            line = data.count(b"\n", 0, place) + 1
            raise source_error(
                source,
                f"{where}it can't be read as csv: invalid UTF8 in line {line}, byte {place} is 0x{data[place]:02x}; "
                "say in which encoding it is written, as in `encoding: latin-1`",
            ) from wrong
    return data


def detect_delimiter(data: bytes, choose: Callable[[list[str]], list[str]]) -> str:
    """Of , ; tab and | the one that finds most of the wanted columns in the header, then the one that fits its rows.

    A comma where none of them splits the header: then the table has one column.
    """
    text = data[:SAMPLE].decode("utf-8", "replace")
    if len(data) > SAMPLE:
        text = text[: text.rfind("\n") + 1] or text
    return max(DELIMITERS, key=lambda one: _fit(text, one, choose))


def _fit(text: str, delimiter: str, choose: Callable[[list[str]], list[str]]) -> tuple[int, bool, int]:
    try:
        rows = list(itertools.islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ROWS))
    except csv.Error:
        return (0, False, 0)
    header = rows[0] if rows else []
    even = len(header) > 1 and all(len(row) == len(header) for row in rows if row)
    return (len({*choose(header)} & {*header}), even, len(header))


def find_ragged_line(data: bytes, delimiter: str) -> str | None:
    """The first line with more or fewer fields than the header, in words; None where every line has as many."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), delimiter=delimiter)
    try:
        header, begin = next(lines), lines.line_num + 1
        for fields in lines:
            if fields and len(fields) != len(header):
                shown = delimiter.join(fields)[:60]
                many = "s" if len(fields) != 1 else ""
                return f"line {begin} has {len(fields)} field{many} where the header has {len(header)}: {shown!r}"
            begin = lines.line_num + 1
    except (csv.Error, StopIteration):
        return None
    return None


def find_unclosed_quote(data: bytes, delimiter: str, rows: int) -> str | None:
    """Where a quote that is not closed has made many lines one row, in words; None where there is none.

    Looked for only where some row of those `rows` must have more than one line: reading it all in Python is slow.
    """
    end = len(data)
    while end and data[end - 1] in b"\r\n":
        end -= 1
    lines = data.count(b"\n", 0, end) + 1
    if b'"' not in data or (lines == rows + 1 and data.count(b"\r") == data.count(b"\r\n")):
        return None
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    with _fields_up_to(len(data)):
        strict = csv.reader(text, delimiter=delimiter, strict=True)
        while True:
            begin = strict.line_num + 1
            try:
                next(strict)
            except StopIteration:
                return None
            except csv.Error:
                if strict.line_num > begin:
                    shown = data.split(b"\n", begin)[begin - 1].decode()[:60]
                    return f"line {begin} opens a quote that is not closed: {shown!r}; close it, or write it twice"


@contextlib.contextmanager
def _fields_up_to(size: int) -> Iterator[None]:
    before = csv.field_size_limit(size + 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
