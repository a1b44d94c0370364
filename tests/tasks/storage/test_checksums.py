"""JSON records: an altered record is treated as missing, and records of earlier releases are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.storage.checksums import with_checksum, without_checksum
from tasks.storage.store import Store

RECORD = {"b": [1, 2.5, None, "ü"], "a": {"x": 1e-9}}


def test_record_is_read_as_it_was_written(store: Store) -> None:
    store.write_json("runs/a.json", RECORD)
    assert store.read_json("runs/a.json") == RECORD
    assert "checksum" in json.loads((Path(store.root) / "runs/a.json").read_text())


@pytest.mark.parametrize(
    ("old", "new"), [("2.5", "2.6"), ("ü", "u"), ('"a"', '"c"'), ("null", "true"), ("1e-09", "1e-08")]
)
def test_altered_record_is_missing(store: Store, old: str, new: str) -> None:
    store.write_json("runs/a.json", RECORD)
    path = Path(store.root) / "runs/a.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert store.read_json("runs/a.json") is None


@pytest.mark.parametrize(
    ("record", "content"),
    [
        (RECORD, RECORD),  # of an earlier release
        (with_checksum(RECORD), RECORD),
        (with_checksum({"n": {1: "integer keys become text"}}), {"n": {"1": "integer keys become text"}}),
        ({**RECORD, "checksum": "0" * 64}, None),
        ({**RECORD, "checksum": 1}, None),
        ({"value": float("nan"), "checksum": "x"}, None),
        (with_checksum(with_checksum(RECORD)), RECORD),
    ],
)
def test_checksum_is_of_the_content(record: dict[str, Any], content: dict[str, Any] | None) -> None:
    assert without_checksum(record) == content
