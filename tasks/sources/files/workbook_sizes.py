"""How much memory a workbook takes: its unpacked parts, and the rectangle of cells that its reader allocates.

A sheet with one value in A1 and one in XFD1048576 has 17 thousand million cells for a reader, and a few hundred bytes.
"""

import re
import zipfile
from typing import Any

from tasks.sources.limits import check_bytes, max_bytes, source_error
from tasks.sources.spec import SourceSpec

ZIP_MAGIC = b"PK\x03\x04"
MAX_DEFLATE_RATIO = 1032
CELL_BYTES = 64  # of a cell of the rectangle, empty or not: in the reader, and as a Python value
CHUNK_BYTES = 1 << 20
REFERENCE = re.compile(rb'\sr="([A-Z]{1,3})(\d{1,7})"')
MAX_REFERENCE_BYTES = 16
SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.xml")


def check_workbook(file: Any, source: SourceSpec) -> None:
    """Raise SourceUnreadable if a workbook takes more memory than is read; leaves the file at its begin."""
    is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    file.seek(0)
    if not is_zip:
        return
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            check_bytes(sum(member.file_size for member in members), source)
            for member in members:
                if SHEET_PART.fullmatch(member.filename):
                    _check_cells(archive, member, source)
                elif member.compress_size * MAX_DEFLATE_RATIO > max_bytes(source):
                    _read_through(archive, member)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as broken:
        raise source_error(source, f"it can't be read as excel: {broken}") from broken
    finally:
        file.seek(0)


def _read_through(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise BadZipFile if a member is longer than its header says."""
    with archive.open(member) as part:
        while part.read(CHUNK_BYTES):
            pass


def _check_cells(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: SourceSpec) -> None:
    columns, last_row, tail = set[bytes](), 0, b""
    with archive.open(member) as part:
        while chunk := part.read(CHUNK_BYTES):
            references = REFERENCE.findall(tail + chunk)
            columns.update(letters for letters, _ in references)
            last_row = max([last_row, *(int(row) for _, row in references)])
            tail = chunk[-MAX_REFERENCE_BYTES:]
    last = max(columns, key=lambda letters: (len(letters), letters), default=b"A").decode()
    width = 0
    for letter in last:
        width = 26 * width + ord(letter) - ord("A") + 1
    if width * last_row * CELL_BYTES > max_bytes(source):
        reason = f"its sheet has values as far as {last}{last_row}, which makes {width * last_row:,} cells"
        limit = f"at most {max_bytes(source) // CELL_BYTES:,} are read (source.max_bytes / {CELL_BYTES})"
        raise source_error(source, f"{reason}, and {limit}; delete the cells far from the table, or save it as CSV")
