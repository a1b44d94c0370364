"""CSV dialects: delimiters, decimal commas, encodings, many files; an error names its line."""

import codecs
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data_contracts.errors import SourceUnreadable
from tasks.ingestion import ingest
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.dataset import DatasetSpec
from tasks.sources.files.csv_dialect import detect_delimiter
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
MakeSpec = Callable[..., DatasetSpec]


def read(path: Path, columns: list[str] | None = None, **fields: Any) -> dict[str, list[Any]]:
    return read_source(SourceSpec.model_validate({"kind": "csv", "path": str(path), **fields}), columns).to_pydict()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_detected_or_given(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f'sku{delimiter}note\n007{delimiter}"a{delimiter}b, c; d|e"\n')
    asked = {"sku": ["007"], "note": [f"a{delimiter}b, c; d|e"]}
    assert read(path) == read(path, ["sku", "note"]) == read(path, delimiter=delimiter) == asked


@pytest.mark.parametrize(
    ("text", "wanted", "delimiter"),
    [
        ("day;sold\n2024-03-01;1,5\n2024-03-02;2,5\n", ["day", "sold"], ";"),
        ("day;sold, net\n2024-03-01;1,5\n", ["day", "sold, net"], ";"),
        ("a,b;c\n1,2;3\n", ["b;c"], ","),
        ("a,b;c\n1,2;3\n", ["a,b"], ";"),
        ("sold\n1\n", ["sold"], ","),
        ("sold\n1;5\n", ["gone"], ","),
        ("", [], ","),
    ],
)
def test_delimiter_that_finds_the_chosen_columns_wins(text: str, wanted: list[str], delimiter: str) -> None:
    assert detect_delimiter(text.encode(), lambda names: wanted or names) == delimiter


@settings(max_examples=60)
@given(
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    cells=st.lists(st.tuples(*[st.text("ab ,;|\t1.", max_size=5)] * 3), min_size=1, max_size=6),
)
def test_csv_written_by_pandas_is_read_back_for_every_delimiter(
    tmp_path_factory: pytest.TempPathFactory, delimiter: str, cells: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "s.csv"
    frame = pd.DataFrame(cells, columns=["sku", "day", "sold"])
    frame.to_csv(path, index=False, sep=delimiter, quoting=1)
    assert read(path, ["sku", "day", "sold"]) == {name: frame[name].tolist() for name in frame}


def test_with_decimal_comma_a_number_with_a_point_is_rejected(
    tmp_path: Path, reading: MakeSpec, store: Store, promise: Callable[..., Any]
) -> None:
    path, source = tmp_path / "s.csv", {"kind": "csv", "path": str(tmp_path / "s.csv"), "decimal": ","}
    path.write_text("sku;hour;sold\n1,5;2024-03-01 00:00;1,5\n1,5;2024-03-01 01:00;1.234\n1,5;2024-03-01 02:00;-2e1\n")
    quiet = promise(row_faults="warning").model_copy(update={"columns": ()})
    spec = reading(source=source, features={}, contract=quiet)
    done = validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store)
    assert store.get(done.clean)["y"].tolist()[::2] == [1.5, -20.0]
    assert store.get(done.clean)["unique_id"].unique().tolist() == ["1,5"]
    assert store.get(done.quarantine)["y"].tolist() == ["1.234"]  # as in the file: the point may separate thousands


def test_contract_accepts_numbers_with_decimal_comma(
    tmp_path: Path, reading: MakeSpec, store: Store, promise: Callable[..., Any]
) -> None:
    path, source = tmp_path / "s.csv", {"kind": "csv", "path": str(tmp_path / "s.csv"), "decimal": ","}
    path.write_text("sku;hour;sold\n1;2024-03-01 00:00;1,5\n1;2024-03-01 01:00;2,5\n")
    whole = promise()
    contract = whole.model_copy(
        update={"columns": tuple(c for c in whole.columns if c.name in ("sku", "hour", "sold"))}
    )
    spec = reading(source=source, features={}, contract=contract)
    done = validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store)
    assert store.get(done.clean)["y"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "utf-16-le"])
def test_encoding_of_the_source_is_used(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "s.csv").write_text("Stück,sold\nKöln,1\n", encoding=encoding)
    assert read(tmp_path / "s.csv", encoding=encoding) == {"Stück": ["Köln"], "sold": ["1"]}


def test_utf_8_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(codecs.BOM_UTF8 + "Stück\nKöln\n".encode())
    assert read(tmp_path / "s.csv") == {"Stück": ["Köln"]}
    (tmp_path / "s.csv").write_bytes(codecs.BOM_UTF8)
    with pytest.raises(SourceUnreadable, match="the file is empty"):
        read(tmp_path / "s.csv")


def test_invalid_byte_is_reported_with_line_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes("sku\nKöln\n".encode() + b"Stra\xdfe\n")
    with pytest.raises(SourceUnreadable, match=r"invalid UTF8 in line 3, byte 14 is 0xdf; set .*`encoding: latin-1`"):
        read(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes(
        b"sku\n" + b"x" * (1 << 20) + b"\n\xc3"
    )  # an incomplete character in the second block
    with pytest.raises(SourceUnreadable, match=f"line 3, byte {(1 << 20) + 5} is 0xc3"):
        read(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text("sku\n", encoding="utf-16")
    with pytest.raises(SourceUnreadable, match="`encoding: utf-16`"):
        read(tmp_path / "s.csv")
    with pytest.raises(SourceUnreadable, match="not written in ascii"):
        read(tmp_path / "s.csv", encoding="ascii")
    with pytest.raises(ValidationError, match="'klingon' is not an encoding"):
        read(tmp_path / "s.csv", encoding="klingon")


def test_character_across_two_blocks_is_decoded(tmp_path: Path) -> None:
    word = "x" * ((1 << 20) - 5) + "ö"
    (tmp_path / "s.csv").write_bytes(f"sku\n{word}\n".encode())
    assert read(tmp_path / "s.csv") == {"sku": [word]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1\nb,2,3\n", "line 3 has 3 fields, the header has 2: 'b,2,3'"),
        ("a,1\n\nb\n", "line 4 has 1 field, the header has 2: 'b'"),
        ('"a\nb",1\n"c\nd",2,3\n', "line 4 has 3 fields, the header has 2"),
    ],
)
def test_ragged_row_is_reported_with_its_line(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "s.csv").write_text("sku,sold\n" + rows)
    with pytest.raises(SourceUnreadable, match=message):
        read(tmp_path / "s.csv")


def test_folder_and_glob_are_one_table_matched_by_column_name(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("sku,sold\na,1\n")
    (tmp_path / "2.csv").write_text("sold;more;sku\n2;x;b\n")
    (tmp_path / "_SUCCESS").write_text("")
    both = {"sku": ["a", "b"], "sold": ["1", "2"]}
    assert read(tmp_path, ["sku", "sold"]) == read(tmp_path / "*.csv", ["sku", "sold"]) == both
    assert read(tmp_path / "1.csv") == {"sku": ["a"], "sold": ["1"]}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("sku\nb\n", "2.csv: column 'sold' is missing, and 1 other files have it"),
        ("", "2.csv: the file is empty"),
        ("sku,sold\nb\n", "2.csv: it can't be read as csv: line 2 has 1 field"),
        ("sku,sold,sold\nb,1,2\n", "2.csv: column 'sold' occurs 2 times"),
    ],
)
def test_file_that_differs_from_the_others_is_reported(tmp_path: Path, second: str, message: str) -> None:
    (tmp_path / "1.csv").write_text("sku,sold\na,1\n")
    (tmp_path / "2.csv").write_text(second)
    with pytest.raises(SourceUnreadable, match=message):
        read(tmp_path, ["sku", "sold"])


def test_header_without_rows_and_repeated_column_are_reported(tmp_path: Path, reading: MakeSpec) -> None:
    spec = reading(source={"kind": "csv", "path": str(tmp_path / "s.csv")}, features={})
    for text, message in (
        ("sku,hour,sold\n", "the table has no rows"),
        ("sku,hour,sold,sold\na,b,1,2\n", "occurs 2 times"),
    ):
        (tmp_path / "s.csv").write_text(text)
        with pytest.raises(SourceUnreadable, match=message):
            to_canonical_columns(read_source(spec.source, spec.select_columns), spec)


def noted(*notes: str) -> str:
    """Return a table of hours whose last column, which is not read, holds `notes`."""
    rows = [f"a,2024-03-01 {hour:02}:00,{hour},{note}" for hour, note in enumerate(notes)]
    return "sku,hour,sold,note\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    "notes", [("ok", '"ok', "ok", "ok"), ("ok", '"ok', "ok", '"ok'), ("ok", '"ok' + "x" * 200_000, "ok", "ok")]
)
def test_unclosed_quote_is_reported_with_its_line(tmp_path: Path, notes: tuple[str, ...]) -> None:
    (tmp_path / "s.csv").write_text(noted(*notes), encoding="utf-8")
    with pytest.raises(SourceUnreadable, match="line 3 opens a quote that is not closed: 'a,2024-03-01 01:00,1,\"ok"):
        read(tmp_path / "s.csv", ["sku", "hour", "sold"])


@pytest.mark.parametrize("end", ["", "\n\n\n"])
@pytest.mark.parametrize(
    "notes",
    [
        ("ok", '5" pipe', "ok"),
        ("ok", '"two\nlines, ""quoted"""', "ok"),
        ('"a\n\nb"', '"ok"x', "ok"),
        ("", '"' + "y\n" * 90_000 + '"', "ok"),
    ],
)
def test_closed_and_inner_quotes_are_read(tmp_path: Path, notes: tuple[str, ...], end: str) -> None:
    (tmp_path / "s.csv").write_text(noted(*notes) + end, encoding="utf-8")
    assert read(tmp_path / "s.csv", ["sold"]) == {"sold": ["0", "1", "2"]}


def test_hive_folders_of_csv_become_columns(tmp_path: Path) -> None:
    for shop, day, text in (
        ("007", "2024-03-01", "sold\n1\n"),
        ("a%2Fb", "2024-03-02", "sold\n2\n"),
        ("__HIVE_DEFAULT_PARTITION__", "2024-03-03", "day,sold\nSunday,3\n"),
    ):
        folder = tmp_path / "sales" / f"shop={shop}" / f"day={day}"
        folder.mkdir(parents=True)
        (folder / "s.csv").write_text(text, encoding="utf-8")
    assert read(tmp_path / "sales", ["shop", "day", "sold"]) == {
        "shop": ["007", None, "a/b"],
        "day": ["2024-03-01", "Sunday", "2024-03-02"],
        "sold": ["1", "3", "2"],
    }
