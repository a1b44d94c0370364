"""Workbooks that are small on disk and huge in memory."""

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from data_contracts.errors import SourceUnreadable
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec


def workbook(path: Path, **cells: Any) -> Path:
    book = openpyxl.Workbook()
    for name, value in {"A1": "ds", "B1": "y", "A2": 1, "B2": 2.5, **cells}.items():
        book.active[name] = value
    book.save(path)
    return path


def excel(path: Path, **settings: Any) -> SourceSpec:
    return SourceSpec.model_validate({"kind": "excel", "path": str(path), **settings})


def test_value_in_the_farthest_cell_is_refused_before_its_rectangle_is_allocated(tmp_path: Path) -> None:
    path, begun = workbook(tmp_path / "s.xlsx", XFD1048576="stray"), time.monotonic()
    with pytest.raises(
        SourceUnreadable, match=r"as far as XFD1048576, which makes 17,179,869,184 cells.*delete the cel"
    ):
        read_source(excel(path))
    assert time.monotonic() - begun < 2


def test_stray_cell_within_the_limit_is_read(tmp_path: Path) -> None:
    assert read_source(excel(workbook(tmp_path / "s.xlsx", Z500=None))).num_rows == 1


def test_sheet_that_unpacks_to_more_than_is_read_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", b"\0" * 50_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(SourceUnreadable, match=r"holds 50,.* bytes or more, and at most 10,000,000 are read"):
        read_source(excel(path, max_bytes="10MB"))
    assert read_source(excel(path)).num_rows == 1


def test_member_that_is_longer_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx")
    plain = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("xl/media/image1.png", b"\0" * 50_000_000)
    data = plain.getvalue().replace((50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable, match="can't be read as excel: Bad CRC-32"):
        read_source(excel(path, max_bytes="10MB"))
