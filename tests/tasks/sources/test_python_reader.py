"""A function as a source: its return types, its arguments and its errors."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_contracts.errors import SourceUnreadable, SpecError
from flows.pipeline.spec import PipelineSpec
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
MODULE = """
import pandas as pd, pyarrow as pa
from neighbour import SOLD

class Shop:
    @staticmethod
    def frame(rows): return pd.DataFrame({"sku": ["007"] * rows, "sold": SOLD})

def arrow(as_of, shop="a"):
    print("talking")
    return pa.table({"sku": [shop], "at": [as_of.isoformat()]})

def indexed(): return pd.DataFrame({"sold": [1.5]}, index=pd.Index(["2024-03-01"], name="day"))
def timed(): return pd.DataFrame({"sold": [1.5]}, index=pd.to_datetime(["2024-03-01"]))
def mixed(): return pd.DataFrame({"a": [1, "x", None], "b": [1.0, None, 2]}, dtype=object)
def listed(): return [1]
def broken(): raise RuntimeError("the till is locked\\nfor ever")
def leaves(): raise SystemExit(3)
nothing = 7
"""


@pytest.fixture
def source(tmp_path: Path) -> Any:
    (tmp_path / "loader.py").write_text(MODULE)
    (tmp_path / "neighbour.py").write_text("SOLD = 3")

    def make(function: str, **arguments: Any) -> SourceSpec:
        plain = SourceSpec.model_validate({"kind": "python", "callable": function, "arguments": arguments})
        return plain.with_resolved_paths(str, tmp_path)

    return make


def test_data_frame_arrow_table_and_named_index_are_read(source: Any, capsys: Any) -> None:
    assert read_source(source("loader:Shop.frame", rows=2)).to_pydict() == {"sku": ["007"] * 2, "sold": [3, 3]}
    assert read_source(source("loader:arrow"), None, AS_OF).to_pylist() == [{"sku": "a", "at": AS_OF.isoformat()}]
    assert read_source(source("loader:indexed")).column_names == ["day", "sold"]
    assert read_source(source("loader:timed")).column_names == ["", "sold"]
    assert read_source(source("loader:mixed")).to_pydict() == {"a": ["1", "x", None], "b": [1.0, None, 2.0]}
    assert "talking" not in capsys.readouterr().out  # stdout is reserved for the result of a command


def test_only_chosen_columns_are_kept_and_missing_column_gives_no_rows(source: Any) -> None:
    assert read_source(source("loader:Shop.frame", rows=2), ["sold"]).column_names == ["sold"]
    assert read_source(source("loader:Shop.frame", rows=2), ["gone"]).num_rows == 0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            "broken",
            r"loader:broken broke.*\n.*RuntimeError: the till is locked for ever \(loader.py, line \d+\)",
        ),
        ("leaves", "it raised SystemExit: 3"),
        ("listed", "it returned list; return a pandas DataFrame or an Arrow table"),
    ],
)
def test_failure_of_the_function_is_an_unreadable_source(source: Any, function: str, message: str) -> None:
    with pytest.raises(SourceUnreadable, match=message):
        read_source(source(f"loader:{function}"))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("loader:gone", {}, "module loader has no gone"),
        ("nowhere:frame", {}, "nowhere:frame can't be imported: No module named 'nowhere'"),
        ("loader:nothing", {}, "loader:nothing is int, which can't be called"),
        ("loader:arrow", {"colour": "red"}, r"loader:arrow\(as_of, shop='a'\) does not take.*colour"),
        ("loader:Shop.frame", {}, "does not take these arguments: missing a required argument: 'rows'"),
    ],
)
def test_missing_function_and_wrong_arguments_are_spec_errors(
    source: Any, function: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        read_source(source(function, **arguments))


def test_modules_of_one_name_are_separate_and_changed_module_is_imported_again(tmp_path: Path) -> None:
    plain = SourceSpec(kind="python", callable="shop:frame")
    for folder, word in (("one", "first"), ("two", "second"), ("one", "third time")):
        (tmp_path / folder).mkdir(exist_ok=True)
        text = f"import pyarrow as pa\ndef frame(): return pa.table({{'message': ['{word}']}})"
        (tmp_path / folder / "shop.py").write_text(text)
        assert read_source(plain.with_resolved_paths(str, tmp_path / folder))["message"].to_pylist() == [word]


def test_malformed_callable_is_refused() -> None:
    for wrong in ("shop", "shop.frame", "shop:", "os; x:y"):
        with pytest.raises(ValidationError, match=r"must be written module:function|needs callable"):
            SourceSpec(kind="python", callable=wrong)


def test_pipeline_finds_the_module_next_to_its_yaml(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import pyarrow as pa\ndef frame(): return pa.table({'sold': [1]})")
    (tmp_path / "shop.yaml").write_text(
        "name: shop\nsource: {kind: python, callable: 'shop:frame'}\ncolumns: {ds: day, y: sold}\n"
        "freq: D\nwindowing: {horizon: 2}\n"
    )
    spec = PipelineSpec.read(str(tmp_path / "shop.yaml"))
    assert read_source(spec.dataset.source)["sold"].to_pylist() == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.py", "shop.yaml"]
    assert str(tmp_path) not in spec.model_dump_json()
