"""Workbooks, JSON lines, Arrow and ORC files: the same table as from Parquet, several files, and what is refused."""

import datetime as dt
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, orc

from data_contracts.errors import SourceUnreadable, SpecError
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec

HOURS = ["2024-03-01 00:00:00", "2024-03-01T01:00:00+02:00"]
ROWS = pa.table({"sku": ["007", "b"], "hour": HOURS, "sold": [1.5, None], "promo": [True, None]})


def source(kind: str, path: Path, **fields: Any) -> SourceSpec:
    return SourceSpec.model_validate({"kind": kind, "path": str(path), **fields})


def jsonl(path: Path, rows: pa.Table = ROWS) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))


def arrow_stream(path: Path) -> None:
    with pa.ipc.new_stream(str(path), ROWS.schema) as stream:
        stream.write_table(ROWS)


WRITERS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "jsonl": ("json", "t.jsonl", jsonl),
    "json array": ("json", "t.json", lambda path: path.write_text(json.dumps(ROWS.to_pylist()))),
    "jsonl.gz": ("json", "t.jsonl.gz", lambda path: path.write_bytes(
        gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS.to_pylist()).encode()))),
    "feather": ("arrow", "t.feather", lambda path: feather.write_feather(ROWS, str(path))),
    "arrow stream": ("arrow", "t.arrow", arrow_stream),
    "orc": ("orc", "t.orc", lambda path: orc.write_table(ROWS, str(path))),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "write"), WRITERS.values(), ids=WRITERS)
def test_format_gives_the_table_that_was_written(
    tmp_path: Path, kind: str, name: str, write: Callable[[Path], Any]
) -> None:
    write(tmp_path / name)
    assert read_source(source(kind, tmp_path / name)).to_pydict() == ROWS.to_pydict()
    assert read_source(source(kind, tmp_path / name), ["sold"]).to_pydict() == {"sold": [1.5, None]}
    assert read_source(source(kind, tmp_path / name), ["gone"]).num_rows == 0
    assert fingerprint(source(kind, tmp_path / name))


def test_json_files_of_a_folder_are_one_table_and_a_later_covariate_is_missing_before(tmp_path: Path) -> None:
    (tmp_path / "day=1").mkdir()
    jsonl(tmp_path / "day=1" / "a.jsonl", pa.table({"sku": [7], "sold": [1]}))
    jsonl(tmp_path / "b.jsonl", pa.table({"sku": ["b"], "sold": [2.5], "price": [3]}))
    (tmp_path / "README.md").write_text("# sales\n")
    table = read_source(source("json", tmp_path), ["sku", "sold", "price"], optional=["price"])
    assert table.to_pydict() == {"sku": ["b", "7"], "sold": [2.5, 1.0], "price": [3, None]}
    with pytest.raises(SourceUnreadable, match=r"column 'price' is missing, and .*b\.jsonl has it"):
        read_source(source("json", tmp_path), ["sku", "price"])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"{", "can't be read as json"), (b"[1, 2]", "it is not a list of objects"),
     (b'{"a": 1}\nx\n', "can't be read as json"), (b"\xff\xfe{", "UTF")],
)  # fmt: skip
def test_invalid_json_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(content)
    with pytest.raises(SourceUnreadable, match=message):
        read_source(source("json", tmp_path / "t.jsonl"))


def test_json_column_of_mixed_types_is_text(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"sku": 101, "tags": {"a": 1}}\n{"sku": "x"}\n')
    table = read_source(source("json", tmp_path / "t.jsonl"))
    assert table.to_pydict() == {"sku": ["101", "x"], "tags": ['{"a": 1}', None]}


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    openpyxl: Any = pytest.importorskip("openpyxl", reason="pip install 'nightcast[test]'")
    pytest.importorskip("python_calamine", reason="pip install 'nightcast[excel]'")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


MIDNIGHT = dt.datetime(2024, 3, 1)  # noqa: DTZ001 - a workbook has no zones
NOON = MIDNIGHT.replace(hour=12)
TABLE = [["sku", "hour", "sold"], [101, MIDNIGHT, 1.5], [102, NOON, None]]
READ = {"sku": [101, 102], "hour": [MIDNIGHT, NOON], "sold": [1.5, None]}


@pytest.mark.parametrize(
    ("sheets", "fields"),
    [
        ({"Sales": TABLE}, {}),
        ({"Notes": [], "Sales": TABLE}, {}),
        ({"Notes": [["x"]], "Sales": TABLE}, {"sheet": "Sales"}),
        ({"Sales": [["Sales of March"], [], *TABLE]}, {}),
        ({"Sales": [["a", "b", "c", "d"], ["e"] * 4, *TABLE]}, {"skip": 2}),
        ({"Sales": [["x"] * 5, *[[None, *row, "x"] for row in TABLE], ["x"] * 5]}, {"range": "B2:D4"}),
        ({"Sales": [[None, *row] for row in TABLE]}, {}),
        ({"Sales": [*TABLE, [None, None, None]]}, {}),
    ],
)
def test_sheet_is_read_with_the_types_of_its_cells(tmp_path: Path, sheets: Any, fields: dict[str, Any]) -> None:
    path = workbook(tmp_path / "t.xlsx", sheets)
    assert read_source(source("excel", path, **fields)).to_pydict() == READ
    assert read_source(source("excel", path, **fields), ["sold"]).column_names == ["sold"]


@pytest.mark.parametrize(
    ("sheets", "fields", "message"),
    [
        ({"A": TABLE, "B": TABLE}, {}, "2 of its sheets have values: 'A', 'B'; name one in source.sheet"),
        ({"A": TABLE}, {"sheet": "Z"}, "has no sheet 'Z'; its sheets are 'A'"),
        ({"A": TABLE}, {"range": "B2"}, "the range 'B2' is not written like B3:F400"),
        ({"A": []}, {}, "its sheets are empty"),
        ({"A": TABLE}, {"range": "X90:Z99"}, "has no table"),
    ],
)
def test_sheet_that_is_not_a_table_is_refused(tmp_path: Path, sheets: Any, fields: Any, message: str) -> None:
    path = workbook(tmp_path / "t.xlsx", sheets)
    with pytest.raises(SourceUnreadable, match=message):
        read_source(source("excel", path, **fields))
    path.write_bytes(b"PK garbage")
    with pytest.raises(SourceUnreadable, match="can't be read as excel"):
        read_source(source("excel", path))


def test_missing_package_is_reported_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, package, extra in (("excel", "python_calamine", "excel"), ("delta", "deltalake", "delta")):
        monkeypatch.setitem(sys.modules, package, None)
        (tmp_path / "t.xlsx").write_bytes(b"")
        path = tmp_path / "t.xlsx" if kind == "excel" else tmp_path
        with pytest.raises(SpecError, match=rf"pip install 'nightcast\[{extra}\]'"):
            read_source(source(kind, path))
