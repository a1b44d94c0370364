"""Text that a parser would take whole or dive into: NUL bytes, lines without an end, open quotes, nesting."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import SourceUnreadable
from tasks.sources.files import csv_reader, json_reader, text_limits
from tasks.sources.files.text_limits import find_deep_line, find_long_line
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 1 << 14)
    for module in (csv_reader, json_reader):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 1 << 18)
    monkeypatch.setattr(text_limits.find_long_line, "__defaults__", (1 << 18,))


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("csv", b"\0" * 3_000_000, r"byte 0 is NUL, so it is not text in UTF-8; .* `encoding: utf-16-le`"),
        ("csv", "ds,y\n1,2\n".encode("utf-16-le"), "byte 1 is NUL"),
        ("csv", b"ds,y\n" + b"x" * 1_000_000, "line 2 has more than 262,144 bytes, the limit of one line"),
        ("csv", b"ds,y\n1,2\n3," + b"x" * 1_000_000 + b"\n5,6\n", "line 3 has more than 262,144 bytes"),
        ("csv", b"x" * 1_000_000, "line 1 has more than 262,144 bytes"),
        ("csv", b'ds,y\n1,"' + b"x,y\n" * 200_000, "line 2 opens a quote that is not closed"),
        ("csv", b'ds,y\n1,"' + b"x" * 1_000_000 + b'"\n', "line 2 has more than 262,144 bytes"),
        ("json", b"\0" * 1_000_000, "it can't be read as json: "),
        ("json", b'{"y": 1}\n' + b'{"y":' * 101 + b"1" + b"}" * 101, "line 2 is nested deeper than 100 levels"),
        ("json", b'{"y":' * 50_000 + b"1" + b"}" * 50_000, "line 1 is nested deeper than 100 levels"),
        ("json", b"[" * 50_000 + b"]" * 50_000, "recursion depth"),
        ("json", b'[{"y": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]", "recursion depth"),
    ],
)
def test_text_without_an_end_is_refused_with_its_line(tmp_path: Path, kind: str, data: bytes, reason: str) -> None:
    (tmp_path / "s.txt").write_bytes(data)
    begun = time.monotonic()
    with pytest.raises(SourceUnreadable, match=reason) as refused:
        read_source(SourceSpec.model_validate({"kind": kind, "path": str(tmp_path / "s.txt")}))
    assert time.monotonic() - begun < 2
    assert len(str(refused.value)) < 1000


def test_line_longer_than_a_block_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(b'ds,y\n1,"' + b"x" * 100_000 + b'"\n')
    assert len(read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.csv")))["y"][0].as_py()) == 100_000


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", None),
        (b"short\nlines\n", None),
        (b"short\n" + b"x" * 11, "line 2 "),
        (b"x" * 11 + b"\nshort", "line 1 "),
        (b"a\n" * 50 + b"x" * 11 + b"\n", "line 51 "),
        (b"x" * 10 + b"\n" + b"x" * 10, None),
    ],
)
@pytest.mark.parametrize("scan", [4, 7, 64])
def test_long_line_across_scans(data: bytes, line: str | None, scan: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_limits, "SCAN_BYTES", scan)
    described = find_long_line(data, 10)
    assert described == line or (described and line and described.startswith(line))


@pytest.mark.parametrize(
    ("value", "deep"),
    [
        ({"a": [[[1]]]}, False),
        ({"a": "[" * 500}, False),
        ({"a": '"' + "[" * 500}, False),
        ({"a": [[1]] * 400}, False),
        (json.loads("[" * 101 + "]" * 101), True),
    ],
)
@pytest.mark.parametrize("scan", [16, 1000, 1 << 20])
def test_brackets_in_text_are_not_nesting(value: Any, deep: bool, scan: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_limits, "SCAN_BYTES", scan)
    data = b'{"a": 1}\n' + json.dumps(value).encode() + b"\n"
    if scan >= 1000 or not deep:  # a scan that is shorter than a line sees its brackets in parts
        assert (find_deep_line(data) == "line 2 is nested deeper than 100 levels; flatten its values") is deep
