"""What a change of a contract does to readers: each difference has its effect, and says what became of what."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_contracts.contract import Contract
from data_contracts.contract_diff import breaks, changes
from data_contracts.odcs_compiler import ODCS, read_contract

Write = Callable[[dict[str, Any]], Contract]
BETWEEN = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "sold", "min_value": 0, "max_value": 9}}
SALES: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "sales",
    "version": "1.2.0",
    "status": "active",
    "schema": [
        {
            "name": "sales",
            "customProperties": [{"property": "rowFaults", "value": "series"}],
            "quality": [{"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": 10}],
            "properties": [
                {"name": "shop", "logicalType": "string", "required": True, "primaryKey": True},
                {
                    "name": "day",
                    "logicalType": "timestamp",
                    "primaryKey": True,
                    "logicalTypeOptions": {"defaultTimezone": "Europe/Berlin"},
                },
                {
                    "name": "sold",
                    "logicalType": "integer",
                    "physicalType": "int32",
                    "description": "pieces that were sold",
                    "logicalTypeOptions": {"minimum": 0},
                    "customProperties": [{"property": "unit", "value": "pieces"}],
                    "quality": [
                        {"name": "few gaps", "metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"},
                        {"name": "small", "type": "custom", "engine": "greatExpectations", "implementation": BETWEEN},
                    ],
                },
                {"name": "size", "logicalType": "string", "enum": [{"value": "S"}, {"value": "M"}]},
            ],
        }
    ],
    "slaProperties": [
        {"property": "freshness", "value": 2, "unit": "d"},
        {"property": "retention", "value": 3, "unit": "y"},
    ],
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(document: dict[str, Any]) -> Contract:
        path = tmp_path / "sales.odcs.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return read_contract(path)

    return written


def changed(where: str, value: Any, version: str = "9.0.0") -> dict[str, Any]:
    """SALES with one field replaced (None: left out): `where` is its path, as in schema.0.properties.2.required."""
    document = copy.deepcopy(SALES) | {"version": version}
    *way, last = where.split(".")
    place: Any = document
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    elif isinstance(place, list) and key == len(place):
        place.append(value)
    else:
        place[key] = value
    return document


SOLD, SHOP, SIZE, DAY = (f"schema.0.properties.{number}" for number in (2, 0, 3, 1))
CASES: list[tuple[str, Any, str]] = [
    # what is changed, to what, the line that says so
    (SIZE, None, "breaking column size: removed (string)"),
    ("schema.0.properties.4", {"name": "sun", "logicalType": "number"}, "compatible column sun: added (number)"),
    (f"{SOLD}.physicalType", "int64", "breaking column sold: int32 → int64 (widened)"),
    (f"{SOLD}.physicalType", "int16", "compatible column sold: int32 → int16 (narrowed)"),
    (f"{SOLD}.physicalType", "uint8", "compatible column sold: int32 → uint8 (narrowed)"),
    (f"{SOLD}.physicalType", "uint32", "breaking column sold: int32 → uint32 (retyped)"),
    (f"{SHOP}.logicalType", "integer", "breaking column shop: string → integer (retyped)"),
    (f"{SHOP}.required", False, "breaking column shop: required → may be empty"),
    (f"{DAY}.required", True, "compatible column day: may be empty → required"),
    (f"{DAY}.primaryKey", False, "breaking key: shop, day → shop"),
    (f"{SHOP}.unique", True, "compatible rule 'shop is unique': added (shop must not repeat)"),
    (
        f"{DAY}.logicalTypeOptions.defaultTimezone",
        "Europe/London",
        "breaking column day: time zone of naive times Europe/Berlin → Europe/London",
    ),
    (
        f"{DAY}.logicalTypeOptions.defaultTimezone",
        None,
        "breaking column day: time zone of naive times Europe/Berlin → UTC",
    ),
    (f"{SOLD}.customProperties.0.value", "dozens", "breaking column sold: unit 'pieces' → 'dozens'"),
    (f"{SOLD}.description", "pieces", "compatible column sold: description 'pieces that were sold' → 'pieces'"),
    (f"{SOLD}.logicalTypeOptions.minimum", -5, "breaking rule 'sold keeps its minimum': min_value 0 → -5"),
    (f"{SOLD}.logicalTypeOptions.minimum", 5, "compatible rule 'sold keeps its minimum': min_value 0 → 5"),
    (
        f"{SOLD}.logicalTypeOptions.minimum",
        None,
        "breaking rule 'sold keeps its minimum': removed (sold must be at least 0)",
    ),
    (f"{SIZE}.enum.2", {"value": "L"}, "breaking rule 'size is one of its enum': values added 'L'"),
    (f"{SIZE}.enum.1", None, "compatible rule 'size is one of its enum': values removed 'M'"),
    (
        f"{SOLD}.quality.0.mustBeLessThan",
        8,
        "breaking rule 'few gaps': less than 5 percent → less than 8 percent",
    ),
    (
        f"{SOLD}.quality.0.mustBeLessThan",
        2,
        "compatible rule 'few gaps': less than 5 percent → less than 2 percent",
    ),
    (f"{SOLD}.quality.0.unit", "rows", "unclear rule 'few gaps': less than 5 percent → less than 5"),
    (f"{SOLD}.quality.0", None, "breaking rule 'few gaps': removed (few gaps)"),
    (
        f"{SOLD}.quality.0.severity",
        "warning",
        "breaking rule 'few gaps': stops the night → sends rows to quarantine",
    ),
    (
        f"{SOLD}.quality.0.customProperties",
        [{"property": "scope", "value": "series"}],
        "breaking rule 'few gaps': stops the night → excludes the violating series",
    ),
    (
        f"{SOLD}.quality.1.implementation",
        {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "max_value": 10}},  # type: ignore[dict-item]
        "breaking rule 'small': max_value 9 → 10",
    ),
    (
        f"{SOLD}.quality.1.implementation",
        {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "max_value": 8}},  # type: ignore[dict-item]
        "compatible rule 'small': max_value 9 → 8",
    ),
    (
        f"{SOLD}.quality.1.implementation",
        {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "mostly": 0.9}},  # type: ignore[dict-item]
        "breaking rule 'small': mostly 1.0 → 0.9",
    ),
    (
        "schema.0.quality.0.mustBeGreaterOrEqualTo",
        5,
        "breaking rule 'enough': at least 10 → at least 5",
    ),
    (
        "schema.0.quality.0.description",
        "There are rows.",
        "compatible rule 'enough': 'enough' → 'There are rows.'",
    ),
    ("slaProperties.0.value", 3, "breaking service level freshness: 2D → 3D"),
    ("slaProperties.0.value", 1, "compatible service level freshness: 2D → 1D"),
    ("slaProperties.0", None, "breaking service level freshness: 2D removed"),
    ("slaProperties.1.value", 2, "unclear service level retention: 3 y → 2 y"),
    ("id", "orders", "unclear id: 'sales' → 'orders'; check that it is the same table"),
    ("name", "Sales by day", "compatible name: nothing → 'Sales by day'"),
]


@pytest.mark.parametrize(("where", "value", "said"), CASES, ids=[case[2][:70] for case in CASES])
def test_change_is_one_line_with_effect_and_both_values(write: Write, where: str, value: Any, said: str) -> None:
    found = changes(write(SALES), write(changed(where, value)))
    lines = [" ".join(change.line.split()) for change in found]
    assert sorted(lines) == sorted([said, "compatible version: 1.2.0 → 9.0.0"])
    assert breaks(found) == said.startswith("breaking")


def test_change_reports_its_consequences(write: Write) -> None:
    renamed = changes(write(SALES), write(changed(f"{SIZE}.name", "extent")))
    assert [" ".join(change.line.split()) for change in renamed] == [
        "breaking column size: removed (string); renamed to extent?",
        "compatible column extent: added (string)",
        "compatible rule 'extent is one of its enum': added (extent must be one of S, M)",
        "compatible version: 1.2.0 → 9.0.0",
    ]
    laxer = changes(write(SALES), write(changed("schema.0.customProperties.0.value", "warning")))
    assert [" ".join(change.line.split()) for change in laxer] == [
        "breaking rowFaults: series → warning",
        "breaking rule 'sold keeps its minimum': excludes the violating series → sends rows to quarantine",
        "breaking rule 'size is one of its enum': excludes the violating series → sends rows to quarantine",
        "compatible version: 1.2.0 → 9.0.0",
    ]


def test_contract_does_not_differ_from_itself(write: Write) -> None:
    assert changes(write(SALES), write(SALES)) == ()
    for path in sorted(ODCS.glob("*.yaml")):
        assert changes(read_contract(path), read_contract(path)) == ()


@pytest.mark.parametrize(
    ("where", "value", "version", "said"),
    [
        (SIZE, None, "1.3.0", "breaking version: 1.2.0 → 1.3.0; a breaking change requires 2.0.0"),
        (SIZE, None, "1.2.0", "breaking version: 1.2.0 → 1.2.0; a breaking change requires 2.0.0"),
        (SIZE, None, "2.0.0", "compatible version: 1.2.0 → 2.0.0"),
        ("name", "Sales", "1.2.0", "unclear version: 1.2.0 → 1.2.0; a change requires a higher version"),
        ("name", "Sales", "1.2.1", "compatible version: 1.2.0 → 1.2.1"),
        ("name", "Sales", "next", "unclear version: 1.2.0 → next; write versions as 1.2.3"),
    ],
)
def test_version_must_match_the_effect_of_the_change(
    write: Write, where: str, value: Any, version: str, said: str
) -> None:
    found = changes(write(SALES), write(changed(where, value, version)))
    assert said in [" ".join(change.line.split()) for change in found]


def test_loosening_a_bound_is_breaking(write: Write) -> None:
    wide, narrow = write(changed(f"{SOLD}.quality.0.mustBeLessThan", 8)), write(SALES)
    assert breaks(changes(narrow, wide))
    assert not breaks(changes(wide, write(SALES | {"version": "9.0.1"})))


def test_breaking_changes_come_first(write: Write) -> None:
    both = changed(SIZE, None)
    both["name"] = "Sales"
    effects = [change.effect for change in changes(write(SALES), write(both))]
    assert effects == sorted(effects, key=["breaking", "unclear", "compatible"].index)
