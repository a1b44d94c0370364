"""How `init` infers number formats, missing signs and file kinds, and that a night then reads the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import NightcastError
from tasks.profiling.inference import Hints
from tasks.profiling.number_format import infer_number_format
from tasks.profiling.open_source import explain_source, infer_source, read_sample
from tasks.profiling.profile import profile_table
from tasks.sources.numbers import NumberFormat, parse_numbers

DAYS = pd.date_range("2024-01-01", periods=120).strftime("%Y-%m-%d").tolist()
WAVE = [round(10_000 + 1000 * np.sin(day / 7 * 2 * np.pi) + day, 2) for day in range(120)]
NONE = Hints()


def infer(columns: dict[str, list[Any]], hints: Hints = NONE, *, semicolons: bool = False) -> Any:
    return infer_number_format(pa.table(columns), hints, semicolons=semicolons)


def text(thousands: str, decimal: str) -> list[str]:
    return [f"{value:,.2f}".translate(str.maketrans({",": thousands, ".": decimal})) for value in WAVE]


@pytest.mark.parametrize(
    ("thousands", "decimal"),
    [(",", "."), (".", ","), (" ", ","), ("\u00a0", ","), ("\u202f", ","), ("'", "."), ("\u2019", ".")],
)
def test_separators_are_inferred_and_read_the_values(thousands: str, decimal: str) -> None:
    inferred = infer({"ds": DAYS, "y": text(thousands, decimal)})
    assert [(item.what, item.confidence) for item in inferred.inferences] == [("numbers", "sure")]
    assert parse_numbers(pd.Series(text(thousands, decimal)), inferred.style).numbers.tolist() == WAVE


@pytest.mark.parametrize(
    ("values", "semicolons", "style", "confidence", "words"),
    [
        (["1.234", "2.345"], True, NumberFormat("."), "unsure", "--thousands '.'"),
        (["1.234", "2.345"], False, NumberFormat("."), None, ""),
        (["1,234", "2,345"], True, NumberFormat(","), "unsure", "--thousands ','"),
        (["1,234", "2,345"], False, NumberFormat(".", ","), "unsure", "--decimal ','"),
        (["1.234", "0.345"], True, NumberFormat("."), None, ""),
        (["1,234", "2,34"], True, NumberFormat(","), "sure", ""),
        (["1", "2"], True, NumberFormat("."), None, ""),
        (["7", "kaputt", "kaputt", "8", "9"], False, NumberFormat(".", None, ("kaputt",)), "likely", "source.missing"),
        (["7", "kaputt", "weg", "8", "9"], False, NumberFormat("."), None, ""),
        (["-999", "7.5", "-999", "8", "-3"], False, NumberFormat(".", None, (-999.0,)), "likely", "source.missing"),
        (["-999", "-998", "-999", "8"], False, NumberFormat("."), None, ""),
        (["-999", "7", "8"], False, NumberFormat("."), None, ""),
    ],
)  # fmt: skip
def test_doubtful_values_are_unsure_with_the_option(
    values: list[str], semicolons: bool, style: NumberFormat, confidence: str | None, words: str
) -> None:
    inferred = infer({"y": values}, semicolons=semicolons)
    assert inferred.style == style
    assert [item.confidence for item in inferred.inferences] == ([confidence] if confidence else [])
    assert all(words in item.evidence for item in inferred.inferences)


def test_option_overrides() -> None:
    for hints, style in (({"thousands": "."}, NumberFormat(",", ".")), ({"decimal": ","}, NumberFormat(",", "."))):
        inferred = infer({"y": ["1.234", "2.345"]}, Hints.model_validate(hints), semicolons=True)
        assert inferred.style == style
        assert [item.confidence for item in inferred.inferences] == ["given"]


def test_unambiguous_column_decides_for_the_others() -> None:
    inferred = infer({"a": ["1.234", "2.345"], "b": ["1,5", "2,5"]}, semicolons=True)
    assert (inferred.style, inferred.inferences[0].confidence) == (NumberFormat(",", "."), "sure")


def profile(path: Path, table: str | None = None) -> Any:
    source, rows = read_sample(infer_source(str(path), table))
    return profile_table(rows, source, NONE), explain_source(source, rows, NONE)


def test_title_and_thousands_are_explained(tmp_path: Path) -> None:
    rows = "".join(f"{day};{value}\n" for day, value in zip(DAYS, text(".", ","), strict=True))
    (tmp_path / "t.csv").write_text(f"Umsatz 2024\n\nTag;Wert\n{rows}")
    inferred, explained = profile(tmp_path / "t.csv")
    assert (inferred.ds, inferred.y, inferred.source.thousands, inferred.source.decimal) == ("Tag", "Wert", ".", ",")
    assert [(item.what, item.value) for item in explained] == [("header", "line 3"), ("numbers", "10.000,00 is 10000")]


@pytest.mark.parametrize("flags", [[True, None, False], ["yes", "no", ""], ["True", "False", "NA"]])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_booleans_with_gaps_are_covariates(tmp_path: Path, flags: list[Any], suffix: str) -> None:
    frame = pd.DataFrame({"ds": DAYS, "y": WAVE, "promo": flags * 40})
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
    assert profile(path)[0].observed == ("promo",)


def test_nested_columns_are_left_out_by_name(tmp_path: Path) -> None:
    nested = {
        "tags": [["a"]] * 120,
        "meta": [{"a": 1}] * 120,
        "map": pa.array([[("a", 1)]] * 120, pa.map_("string", "int64")),
    }
    pq.write_table(pa.table({"ds": DAYS, "y": WAVE, "id": [b"x"] * 120} | nested), tmp_path / "t.parquet")
    inferred = profile(tmp_path / "t.parquet")[0]
    unused = next(item.value for item in inferred.inferences if item.what == "not used")
    assert "tags (nested), meta (nested), map (nested)" in unused


@pytest.mark.parametrize(
    ("name", "kind"),
    [("t.jsonl", "json"), ("t.ndjson.gz", "json"), ("t.json", "json"), ("t.feather", "arrow"), ("t.arrow", "arrow"),
     ("t.orc", "orc"), ("t.xlsx", "excel"), ("t.tsv", "csv"), ("t.parquet", "parquet")],
)  # fmt: skip
def test_kind_is_inferred_from_the_suffix(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert infer_source(str(tmp_path / name)).kind == kind


def test_folder_with_bookkeeping_is_a_table(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", ".ipynb_checkpoints/a-checkpoint.csv", "_delta_log/0.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ds,y\n2024-01-01,1\n")
    assert infer_source(str(tmp_path)).path == str(tmp_path)
    (tmp_path / "README.md").write_text("# sales")
    assert infer_source(str(tmp_path)).path == f"{tmp_path}/*.csv"
    (tmp_path / "c.parquet").write_bytes(b"")
    with pytest.raises(NightcastError, match=r"files of several kinds, csv, parquet; give a glob such as .*/\*\.csv"):
        infer_source(str(tmp_path))


def test_delta_folder_is_of_kind_delta(tmp_path: Path) -> None:
    deltalake: Any = pytest.importorskip("deltalake", reason="pip install 'nightcast[delta]'")
    deltalake.write_deltalake(str(tmp_path / "t"), pa.table({"ds": DAYS, "y": WAVE}))
    assert infer_source(str(tmp_path / "t")).kind == "delta"
    assert profile(tmp_path / "t")[0].y == "y"


def test_sheet_is_named_by_option(tmp_path: Path) -> None:
    openpyxl: Any = pytest.importorskip("openpyxl", reason="pip install 'nightcast[test]'")
    book = openpyxl.Workbook()
    for title in ("A", "B"):
        sheet = book.create_sheet(title)
        for row in (("day", "sold"), *zip(pd.to_datetime(DAYS).to_pydatetime(), WAVE, strict=True)):
            sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(NightcastError, match="2 of its sheets have values: 'A', 'B'; name one in --table"):
        profile(tmp_path / "t.xlsx")
    inferred, _ = profile(tmp_path / "t.xlsx", "B")
    assert (inferred.ds, inferred.y, inferred.freq, inferred.source.sheet) == ("day", "sold", "D", "B")
