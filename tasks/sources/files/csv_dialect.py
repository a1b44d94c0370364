"""Dialect of a CSV file: its encoding, its delimiter, and lines that do not fit its header."""

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tasks.sources.limits import source_error
from tasks.sources.spec import SourceSpec

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES, SAMPLE_ROWS = 1 << 16, 100
BLOCK_BYTES = 1 << 20
MIN_BODY_ROWS = 3  # as wide as the header, before lines above it are skipped
SEP_LINE = re.compile(r'"?sep=(.)"?\s*?\n', re.IGNORECASE)  # written for Excel
NUMBER_OR_DATE = re.compile(r"\s*[-+(]?[$€£]?\d")
YEAR = re.compile(r"(?:19|20)\d\d")  # a column of a wide table may be named like a year
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Dialect(NamedTuple):
    """How a CSV file is written: its delimiter, the lines above the header, and names if the header lacks one."""

    delimiter: str
    skip: int = 0
    names: tuple[str, ...] = ()


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
    """Detect the delimiter, as `detect_dialect` does."""
    return detect_dialect(data, SourceSpec(kind="csv", path="any"), choose).delimiter


def detect_dialect(data: bytes, source: SourceSpec, choose: Callable[[list[str]], list[str]]) -> Dialect:
    """Detect the delimiter and the lines before the header.

    Args:
        data: The file in UTF-8.
        source: Its settings `delimiter` and `skip` are not guessed again.
        choose: Picks among the column names of the header.

    Returns:
        The delimiter that finds most of the chosen columns, then the one that splits every row as it splits the
        header. A comma if none splits the header: the table then has one column.
    """
    text = data[:SAMPLE_BYTES].decode("utf-8", "replace")
    if len(data) > SAMPLE_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    declared = SEP_LINE.match(text) if source.skip is None else None
    skip = text.count("\n", 0, declared.end()) if declared else source.skip
    known = source.delimiter or (declared[1] if declared else None)
    dialects = [_find_header(text, delimiter, skip) for delimiter in ([known] if known else DELIMITERS)]
    return max(dialects, key=lambda item: _score(item, text, choose))


def _score(dialect: Dialect, text: str, choose: Callable[[list[str]], list[str]]) -> tuple[bool, bool, int, bool, int]:
    rows = _sample_rows(text, dialect.delimiter, dialect.skip)
    header = dialect.names or (rows[0][1] if rows else [])
    regular = len(header) > 1 and all(len(row) == len(header) for _, row in rows[bool(dialect.names) :])
    chosen = {*choose(list(header))}
    return (chosen <= {*header}, regular, len(chosen & {*header}), not dialect.names, len(header))


def _sample_rows(text: str, delimiter: str, skip: int = 0) -> list[tuple[int, list[str]]]:
    """Return (number of lines before the row, fields) of the first rows that are not empty."""
    rest = text.split("\n", skip)[-1] if skip else text
    lines = csv.reader(io.StringIO(rest, newline=""), delimiter=delimiter)
    rows, begin = [], skip
    try:
        for fields in itertools.islice(lines, SAMPLE_ROWS):
            rows += [(begin, fields)] if fields else []
            begin = skip + lines.line_num
    except csv.Error:
        return []
    return rows


def _find_header(text: str, delimiter: str, skip: int | None) -> Dialect:
    """Find the header below comments and titles: the first row with as many fields as the rows of the table."""
    rows = _sample_rows(text, delimiter, skip or 0)
    counts = Counter(len(row) for _, row in rows[len(rows) // 3 :])
    width = counts.most_common(1)[0][0] if counts else 0
    start = next((index for index, (_, row) in enumerate(rows) if len(row) == width), 0) if skip is None else 0
    while skip is None and start + 1 < len(rows) and _is_above_header(rows[start][1], rows[start + 1][1]):
        start += 1
    if width < 2 or start >= len(rows) - 1 or sum(len(row) == width for _, row in rows[start:]) < MIN_BODY_ROWS:
        return Dialect(delimiter, skip or 0)
    (line, first), below = rows[start], [row for _, row in rows[start + 1 :]]
    if start and _has_numbers(first) and _looks_like(first, below[0]):  # a row of the table: the header is above it
        line, header = rows[start - 1]
        return _shorter_header(delimiter, line, header, [first, *below]) or Dialect(delimiter, skip or 0)
    if skip is not None and len(first) == width - 1:
        return _shorter_header(delimiter, line, first, below) or Dialect(delimiter, line)
    return Dialect(delimiter, line if skip is None else skip)


def _shorter_header(delimiter: str, line: int, header: list[str], rows: list[list[str]]) -> Dialect | None:
    """Return the dialect of a header that lacks one name: of a trailing delimiter, or of the first column, as in R."""
    if any(len(row) != len(header) + 1 for row in rows):
        return None
    is_trailing = all(not row[-1].strip() for row in rows)
    return Dialect(delimiter, line, tuple([*header, ""] if is_trailing else ["", *header]))


def _is_above_header(row: list[str], below: list[str]) -> bool:
    """Whether a row as wide as the table is a comment or a title above the header, padded with empty fields."""
    if len(row) != len(below) or _has_numbers(below):
        return False
    padded = len(row) > 1 and not any(field.strip() for field in row[1:])
    return padded or row[0].lstrip().startswith("#")


def _has_numbers(row: list[str]) -> bool:
    return any(NUMBER_OR_DATE.match(field) and not YEAR.fullmatch(field.strip()) for field in row)


def _looks_like(row: list[str], other: list[str]) -> bool:
    pairs = itertools.zip_longest(row, other, fillvalue="")
    return all(bool(NUMBER_OR_DATE.match(first)) == bool(NUMBER_OR_DATE.match(second)) for first, second in pairs)


def find_ragged_line(data: bytes, dialect: Dialect) -> str | None:
    """Describe the first line with more or fewer fields than the header; None if every line has the same number."""
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    above = sum(1 for _ in itertools.islice(text, dialect.skip))
    delimiter, lines = dialect.delimiter, csv.reader(text, delimiter=dialect.delimiter)
    try:
        own = next(lines)
        header, begin = dialect.names or own, above + lines.line_num + 1
        for fields in lines:
            if fields and len(fields) != len(header):
                shown = delimiter.join(fields)[:60]
                plural = "s" if len(fields) != 1 else ""
                return f"line {begin} has {len(fields)} field{plural}, the header has {len(header)}: {shown!r}"
            begin = above + lines.line_num + 1
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
