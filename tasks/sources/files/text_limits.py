"""Limits of text files that a parser does not have: NUL bytes, lines without an end, nesting, columns of a header."""

import re

import numpy as np

from tasks.sources.limits import check_columns, source_error
from tasks.sources.spec import SourceSpec

MAX_LINE_BYTES = 1 << 24
MAX_NESTING = 100  # of one JSON object: parsers written in C call themselves for each level
SCAN_BYTES = 1 << 26
SAMPLE_BYTES = 1 << 16
JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def check_header(data: bytes, delimiters: tuple[str, ...], source: SourceSpec, where: str) -> None:
    """Check that the first line is text and has not too many columns.

    Args:
        data: A text file in UTF-8.
        delimiters: Each may separate the columns.
        source: The source, for the error.
        where: What the error begins with.

    Raises:
        SourceUnreadable: The line holds a NUL byte, or more columns than are read.
    """
    end = data.find(b"\n", 0, MAX_LINE_BYTES)
    header = data[: MAX_LINE_BYTES if end < 0 else end]
    if (index := header.find(b"\0")) >= 0:
        reason = f"{where}byte {index} is NUL, so it is not text in UTF-8"
        advice = "write the file again, or set its encoding, such as `encoding: utf-16-le`"
        error = source_error(source, f"{reason}; {advice}")
        raise error
    check_columns(max(header.count(delimiter.encode()) for delimiter in delimiters) + 1, source, where)


def find_long_line(data: bytes, max_line_bytes: int = MAX_LINE_BYTES) -> str | None:
    """Describe the first line that is longer than a parser reads; None if every line is shorter."""
    number, begin = 1, 0  # the number of the line that is open, and where it begins
    for start in range(0, len(data), SCAN_BYTES):
        ends = start + np.flatnonzero(np.frombuffer(data, np.uint8, min(SCAN_BYTES, len(data) - start), start) == 10)
        begins = np.concatenate([[begin], ends + 1])
        stop = min(start + SCAN_BYTES, len(data))
        lengths = np.concatenate([ends, [stop]]) - begins
        if (lengths > max_line_bytes).any():
            line = number + int(np.argmax(lengths > max_line_bytes))
            return f"line {line} has more than {max_line_bytes:,} bytes, the limit of one line; break it, or shorten it"
        number, begin = number + len(ends), int(begins[-1])
    return None


def find_deep_line(data: bytes) -> str | None:
    """Describe the first line of JSON whose values are nested deeper than is read, or None."""
    number, begin = 1, 0
    for start in range(0, len(data), SCAN_BYTES):
        block = np.frombuffer(data, np.uint8, min(SCAN_BYTES, len(data) - start), start)
        ends = start + np.flatnonzero(block == 10)
        opened = np.concatenate([[0], np.cumsum((block == ord("[")) | (block == ord("{")))])
        edges = np.concatenate([[begin], ends + 1, [start + len(block)]])
        counts = np.diff(opened[np.clip(edges - start, 0, len(block))])
        for index in np.flatnonzero(counts > MAX_NESTING):
            if _depth(data[edges[index] : edges[index + 1]]) > MAX_NESTING:
                return f"line {number + index} is nested deeper than {MAX_NESTING} levels; flatten its values"
        number, begin = number + len(ends), int(edges[-2])
    return None


def _depth(line: bytes) -> int:
    """Return how deep brackets are nested outside of texts."""
    letters = np.frombuffer(JSON_TEXT.sub(b"", line), np.uint8)
    change = np.isin(letters, (ord("["), ord("{"))).astype(np.int64) - np.isin(letters, (ord("]"), ord("}")))
    return int(np.cumsum(change).max(initial=0))
