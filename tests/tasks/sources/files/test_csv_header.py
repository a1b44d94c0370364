"""Lines above the header of a CSV, headers that lack a name, and files that only look like these."""

from pathlib import Path
from typing import Any

import pytest

from data_contracts.errors import SourceUnreadable
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec

DAYS = [f"2024-01-{day:02}" for day in range(1, 21)]
BODY = "".join(f"{day},{number}.5\n" for number, day in enumerate(DAYS))
SEMICOLONS = BODY.replace(",", ";")
READ = {"ds": DAYS, "y": [f"{number}.5" for number in range(20)]}

FILES = {
    "plain": ("ds,y\n" + BODY, READ),
    "sep": ("sep=;\nds;y\n" + SEMICOLONS, READ),
    "SEP with CRLF": (("SEP=;\nds;y\n" + SEMICOLONS).replace("\n", "\r\n"), READ),
    "sep quoted": ('"sep=;"\nds;y\n' + SEMICOLONS, READ),
    "comments": ("# made by a tool\n# on 2024-05-05, v2\nds,y\n" + BODY, READ),
    "title": ("Sales report 2024\n\nds,y\n" + BODY, READ),
    "title with commas": ("Sales, of the north, 2024\nExported: 2024-05-05 12:00\nds;y\n" + SEMICOLONS, READ),
    "padded title": ("Sales report 2024,\n,\nds,y\n" + BODY, READ),
    "empty lines": ("\n\nds,y\n" + BODY, READ),
    "byte order mark": ("\ufeffsep=;\nds;y\n" + SEMICOLONS, READ),
    "trailing delimiter": ("ds,y\n" + BODY.replace("\n", ",\n"), READ),
    "trailing delimiter in the header too": ("ds,y,\n" + BODY.replace("\n", ",\n"), READ | {"": [None] * 20}),
    "column without a name": (",y\n" + BODY, {"": DAYS, "y": READ["y"]}),
    "row numbers of R": (
        "ds,y\n" + "".join(f'"{number}",{row}\n' for number, row in enumerate(BODY.splitlines())),
        {"": [str(number) for number in range(20)], **READ},
    ),
    "names that are years": (
        "Data of the bank\n\nland,2019,2020\n" + "Ulm,1.5,2.5\n" * 9,
        {"land": ["Ulm"] * 9, "2019": ["1.5"] * 9, "2020": ["2.5"] * 9},
    ),
    "header with a hash": ("#ds,y\n" + BODY, {"#ds": DAYS, "y": READ["y"]}),
    "two more header lines": (
        "ds,y\nTicker,AAPL\nDate,\n" + BODY,
        {"ds": ["Ticker", "Date", *DAYS], "y": ["AAPL", None, *READ["y"]]},
    ),
    "text only": ("name,city\n" + "a,b\n" * 9, {"name": ["a"] * 9, "city": ["b"] * 9}),
    "first row without a value": ("ds,y\n2024-01-01,\n" + BODY, {"ds": ["2024-01-01", *DAYS], "y": [None, *READ["y"]]}),
    "tabs": ("ds\ty\n" + BODY.replace(",", "\t"), READ),
    "thousands with a comma": ("ds;y\n" + '2024-01-01;10.126,00\n' * 5, {"ds": DAYS[:1] * 5, "y": ["10.126,00"] * 5}),
    "one row": ("ds,y\n2024-01-01,1\n", {"ds": ["2024-01-01"], "y": ["1"]}),
}  # fmt: skip


def read(path: Path, text: str, columns: list[str] | None = None, **fields: Any) -> dict[str, list[Any]]:
    path.write_bytes(text.encode())
    return read_source(SourceSpec.model_validate({"kind": "csv", "path": str(path), **fields}), columns).to_pydict()


@pytest.mark.parametrize(("text", "table"), FILES.values(), ids=FILES)
def test_header_is_found(tmp_path: Path, text: str, table: dict[str, list[Any]]) -> None:
    assert read(tmp_path / "s.csv", text) == table
    last = list(table)[-1]
    assert read(tmp_path / "s.csv", text, [last]) == {last: table[last]}


def test_lines_to_skip_may_be_set(tmp_path: Path) -> None:
    text = "a,b\nc,d\nds,y\n" + BODY
    assert list(read(tmp_path / "s.csv", text)) == ["a", "b"]
    assert read(tmp_path / "s.csv", text, skip=2) == READ


def test_ragged_line_below_a_title_is_reported_with_its_number_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="line 24 has 3 fields, the header has 2: 'x,y,z'"):
        read(tmp_path / "s.csv", "Sales\n\nds,y\n" + BODY + "x,y,z\n")
