"""Dialect of a CSV file: its encoding, its delimiter, and lines that do not fit its header."""

import codecs
import contextlib
import csv
import io
import itertools
from collections.abc import Callable, Iterator

from tasks.sources.limits import source_error
from tasks.sources.spec import SourceSpec

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES, SAMPLE_ROWS = 1 << 16, 100
BLOCK_BYTES = 1 << 20
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_utf8(data: bytes, source: SourceSpec, where: str) -> bytes:
    """Return the file in UTF-8 without a byte order mark; raises SourceUnreadable with line, byte and what to do."""
    encoding = codecs.lookup(source.encoding).name
    if encoding not in ("utf-8", "utf-8-sig"):
        try:
            return data.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeError as wrong:
            reason = f"{where}it is not written in {source.encoding}: {wrong}"
            raise source_error(source, f"{reason}; set the encoding of the source") from wrong
    if data.startswith(UTF16):
        raise source_error(source, f"{where}it is written in UTF-16, not UTF-8; add `encoding: utf-16` to the source")
    data = data.removeprefix(codecs.BOM_UTF8)
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), BLOCK_BYTES):
        try:
            decoder.decode(data[start : start + BLOCK_BYTES], final=start + BLOCK_BYTES >= len(data))
        except UnicodeDecodeError as wrong:
            index = start + wrong.start - (len(wrong.object) - len(data[start : start + BLOCK_BYTES]))
            line = data.count(b"\n", 0, index) + 1
            raise source_error(
                source,
                f"{where}it can't be read as csv: invalid UTF8 in line {line}, byte {index} is 0x{data[index]:02x}; "
                "set the encoding of the source, such as `encoding: latin-1`",
            ) from wrong
    return data


def detect_delimiter(data: bytes, choose: Callable[[list[str]], list[str]]) -> str:
    """Detect the delimiter: comma, semicolon, tab or bar.

    Args:
        data: The file in UTF-8.
        choose: Picks among the column names of the header.

    Returns:
        The delimiter that finds most of the chosen columns, then the one that splits every row as it splits the
        header. A comma if none splits the header: the table then has one column.
    """
    text = data[:SAMPLE_BYTES].decode("utf-8", "replace")
    if len(data) > SAMPLE_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    return max(DELIMITERS, key=lambda delimiter: _score_delimiter(text, delimiter, choose))


def _score_delimiter(text: str, delimiter: str, choose: Callable[[list[str]], list[str]]) -> tuple[int, bool, int]:
    try:
        rows = list(itertools.islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), SAMPLE_ROWS))
    except csv.Error:
        return (0, False, 0)
    header = rows[0] if rows else []
    regular = len(header) > 1 and all(len(row) == len(header) for row in rows if row)
    return (len({*choose(header)} & {*header}), regular, len(header))


def find_ragged_line(data: bytes, delimiter: str) -> str | None:
    """Describe the first line with more or fewer fields than the header; None if every line has the same number."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), delimiter=delimiter)
    try:
        header, begin = next(lines), lines.line_num + 1
        for fields in lines:
            if fields and len(fields) != len(header):
                shown = delimiter.join(fields)[:60]
                plural = "s" if len(fields) != 1 else ""
                return f"line {begin} has {len(fields)} field{plural}, the header has {len(header)}: {shown!r}"
            begin = lines.line_num + 1
    except (csv.Error, StopIteration):
        return None
    return None


def find_unclosed_quote(data: bytes, delimiter: str, rows: int) -> str | None:
    """Describe the line with a quote that is not closed, which makes one row of many lines.

    Args:
        data: The file in UTF-8.
        delimiter: Its delimiter.
        rows: How many rows PyArrow read. If that is the number of lines, the file is not searched, which is slow.

    Returns:
        The line and what to do, or None if every quote is closed.
    """
    end = len(data)
    while end and data[end - 1] in b"\r\n":
        end -= 1
    lines = data.count(b"\n", 0, end) + 1
    if b'"' not in data or (lines == rows + 1 and data.count(b"\r") == data.count(b"\r\n")):
        return None
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    with _field_size_limit(len(data)):
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
                    return f"line {begin} opens a quote that is not closed: {shown!r}; close it, or double it"


@contextlib.contextmanager
def _field_size_limit(size: int) -> Iterator[None]:
    before = csv.field_size_limit(size + 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
