"""Every promise a contract may make about a column: it rejects a bad value and accepts a good one."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from data_contracts.odcs_compiler import read_contract
from tasks.intake.examination import ValidationResult, examine
from tasks.sources.dataset import DatasetSpec

AS_OF = datetime(2024, 3, 2, tzinfo=UTC)
Examine = Callable[..., ValidationResult]
GX = {"type": "custom", "engine": "greatExpectations"}
TEXT, NUMBER, TIME = {"logicalType": "string"}, {"logicalType": "number"}, {"logicalType": "timestamp"}


def contract_of(folder: Path, x: dict[str, Any], **table: Any) -> Contract:
    """A contract of `sku, hour, sold` and the column `x`, which promises what the test says."""
    columns = [
        {"name": "sku", "logicalType": "string"},
        {"name": "hour", "logicalType": "timestamp"},
        {"name": "sold", "logicalType": "number"},
        {"name": "x"} | x,
    ]
    schema = {"name": "sales", "properties": columns} | table
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "sales", "version": "1.0.0", "status": "active"}
    path = folder / "sales.odcs.yaml"
    path.write_text(yaml.safe_dump(document | {"schema": [schema]}), encoding="utf-8")
    return read_contract(path)


@pytest.fixture
def examined(tmp_path: Path, reading: Callable[..., DatasetSpec]) -> Examine:
    """examined({"required": True}, [1, None]): what becomes of a table with these values of x, one an hour."""

    def examine_values(x: dict[str, Any], values: list[Any], **table: Any) -> ValidationResult:
        count = len(values)
        hours = pd.date_range("2024-03-01", periods=count, freq="h", tz="UTC")
        frame = {"row": range(count), "unique_id": "a", "ds": hours, "y": 1.0, "x": values}
        promise = contract_of(tmp_path, x, **table)
        return examine(pd.DataFrame(frame), reading(contract=promise, features={"known": []}), AS_OF)

    return examine_values


def rule(metric: str, **more: Any) -> dict[str, Any]:
    return {"quality": [{"metric": metric, "name": "r"} | more]}


def text(implementation: str) -> dict[str, Any]:
    return {"quality": [GX | {"name": "r", "implementation": implementation}]}


def option(kind: dict[str, Any], **options: Any) -> dict[str, Any]:
    return kind | {"logicalTypeOptions": options}


NONE = {"mustBe": 0}
WORDS = {"missingValues": ["", "N/A", "none given"]}
CAUGHT: list[tuple[dict[str, Any], list[Any], list[Any], list[int]]] = [
    # what is promised of x, values that keep it, values that break it, the rows that are at fault
    ({"required": True}, ["a", "b"], ["a", None], [1]),
    ({"unique": True} | TEXT, ["a", "b"], ["a", "a"], [1]),
    ({"enum": [{"value": "a"}, {"value": "b"}]} | TEXT, ["a", "b"], ["a", "c"], [1]),
    (TEXT | rule("nullValues", **NONE), ["a", "b"], [None, "b"], [0]),
    (TEXT | rule("missingValues", **NONE), ["a", "b"], [None, "b"], [0]),
    (TEXT | rule("missingValues", arguments=WORDS, **NONE), ["a", "b"], ["a", "none given"], [1]),
    (NUMBER | rule("missingValues", arguments={"missingValues": [-999]}, **NONE), [1.0, 2.0], [1.0, -999.0], [1]),
    (TEXT | rule("invalidValues", arguments={"validValues": ["a", "b"]}, **NONE), ["a", None], ["a", "c"], [1]),
    (NUMBER | rule("invalidValues", arguments={"validValues": [1, 2]}, **NONE), [1.0, 2.0], [1.0, 3.0], [1]),
    (TEXT | rule("invalidValues", arguments={"pattern": "^[A-Z]{2}$"}, **NONE), ["DE", None], ["DE", "D"], [1]),
    (TEXT | rule("invalidValues", arguments={"pattern": r"^(?:(?!b)(.)\1)$"}, **NONE), ["aa", None], ["aa", "bb"], [1]),
    (TEXT | rule("duplicateValues", **NONE), ["a", None, None], ["a", "b", "a"], [2]),
    (option(NUMBER, minimum=0), [0.0, 1.0], [0.0, -0.1], [1]),
    (option(NUMBER, maximum=9), [9.0, 1.0], [9.1, 1.0], [0]),
    (option(NUMBER, exclusiveMinimum=0), [0.1, 1.0], [0.0, 1.0], [0]),
    (option(NUMBER, exclusiveMaximum=9), [8.9, 1.0], [9.0, 1.0], [0]),
    (option(NUMBER, multipleOf=0.1), [0.3, 1.7, -0.7], [0.3, 0.25, 1.0], [1]),
    (option({"logicalType": "integer"}, multipleOf=5), [5, 10], [5, 11], [1]),
    (option({"logicalType": "integer"}, format="u8"), [0, 255], [0, 256], [1]),
    (option({"logicalType": "integer"}, format="i8"), [-128, 127], [-129, 127], [0]),
    (option(TEXT, minLength=2), ["ab", None], ["ab", "a"], [1]),
    (option(TEXT, maxLength=2), ["ab", None], ["ab", "abc"], [1]),
    (option(TEXT, pattern="^a"), ["ab", "a"], ["ab", "ba"], [1]),
    (option(TEXT, format="email"), ["a@b.de", None], ["a@b.de", "a b.de"], [1]),
    (option(TEXT, format="uuid"), ["123e4567-e89b-12d3-a456-426614174000", None], ["123e4567", None], [0]),
    (option(TEXT, format="ipv4"), ["127.0.0.1", "255.0.255.9"], ["127.0.0.1", "256.0.0.1"], [1]),
    (option(TEXT, format="hostname"), ["a.example", "a"], ["a.example", "-a"], [1]),
    (option(TEXT, format="uri"), ["https://a.example", None], ["a.example", None], [0]),
    (option(TIME, minimum="2024-01-01"), ["2024-01-01", "2024-05-01"], ["2024-01-01", "2023-12-31"], [1]),
    (option(TIME, exclusiveMaximum="2024-06-01"), ["2024-05-31", None], ["2024-05-31", "2024-06-01"], [1]),
    (option(TIME, format="dd/MM/yyyy"), ["31/01/2024", "01/02/2024"], ["31/01/2024", "2024-02-01"], [1]),
    ({"logicalType": "integer"}, ["1", "2"], ["1", "2.5"], [1]),
    (NUMBER, ["1", "NA"], ["1", "many"], [1]),
    ({"logicalType": "boolean"}, ["true", "NO", None], ["true", "perhaps", "f"], [1]),
    (TIME, ["2024-01-01", None], ["2024-01-01", "soon"], [1]),
    (
        NUMBER | text("type: expect_column_values_to_be_between\nkwargs: {column: x, minValue: 0}"),
        [0.0, None], [0.0, -1.0], [1],
    ),
    (
        TIME | text("type: expect_column_values_to_be_between\nkwargs: {column: x, max_value: 2024-01-31}"),
        ["2024-01-31", None], ["2024-01-31", "2024-02-01"], [1],
    ),
    (NUMBER | text("type: expect_column_mean_to_be_between\nkwargs: {column: x, max_value: 2}"), [1, 3], [3, 3], []),
]  # fmt: skip


@pytest.mark.parametrize(("promise", "good", "bad", "rows"), CAUGHT, ids=lambda value: str(value)[:60])
def test_each_promise_rejects_a_bad_value_and_accepts_a_good_one(
    examined: Examine, promise: dict[str, Any], good: list[Any], bad: list[Any], rows: list[int]
) -> None:
    assert examined(promise, good).findings == ()
    broken = examined(promise, bad)
    assert len(broken.stopping) == len(broken.findings) == 1
    assert ([] if broken.rejected is None else broken.rejected["row"].tolist()) == rows


ROWS: list[tuple[dict[str, Any], int, bool]] = [
    # the bound, how many of ten values are null, whether that is allowed
    ({"mustBe": 2}, 2, True),
    ({"mustBe": 2}, 3, False),
    ({"mustBe": 2}, 1, False),
    ({"mustNotBe": 3}, 3, False),
    ({"mustNotBe": 3}, 2, True),
    ({"mustBeLessThan": 3}, 2, True),
    ({"mustBeLessThan": 3}, 3, False),
    ({"mustBeLessOrEqualTo": 3}, 3, True),
    ({"mustBeLessOrEqualTo": 3}, 4, False),
    ({"mustBeGreaterThan": 3}, 4, True),
    ({"mustBeGreaterThan": 3}, 3, False),
    ({"mustBeGreaterOrEqualTo": 3}, 3, True),
    ({"mustBeGreaterOrEqualTo": 3}, 2, False),
    ({"mustBeBetween": [2, 4]}, 4, True),
    ({"mustBeBetween": [2, 4]}, 5, False),
    ({"mustBeBetween": [2, 4]}, 1, False),
    ({"mustNotBeBetween": [2, 4]}, 4, False),
    ({"mustNotBeBetween": [2, 4]}, 5, True),
    ({"mustBeGreaterOrEqualTo": 1, "mustBeLessThan": 3}, 2, True),
    ({"mustBeGreaterOrEqualTo": 1, "mustBeLessThan": 3}, 3, False),
    ({"mustBeLessThan": 30, "unit": "percent"}, 2, True),
    ({"mustBeLessThan": 30, "unit": "percent"}, 3, False),
    ({"mustBeBetween": [10, 30], "unit": "percent"}, 3, True),
    ({"mustBeBetween": [10, 30], "unit": "percent"}, 4, False),
    ({"mustBeBetween": [10, 30], "unit": "percent"}, 0, False),
]


@pytest.mark.parametrize(("bound", "nulls", "allowed"), ROWS, ids=str)
def test_bound_applies_to_the_number_or_share_of_rows(
    examined: Examine, bound: dict[str, Any], nulls: int, allowed: bool
) -> None:
    values = [None] * nulls + ["a"] * (10 - nulls)
    assert (examined(TEXT | rule("nullValues", **bound), values).stopping == ()) == allowed


@pytest.mark.parametrize(("bound", "rows", "allowed"), [case for case in ROWS if "unit" not in case[0]], ids=str)
def test_bound_applies_to_the_row_count_of_the_table(
    examined: Examine, bound: dict[str, Any], rows: int, allowed: bool
) -> None:
    of_table = {"quality": [{"metric": "rowCount", "name": "r"} | bound]}
    assert (examined(TEXT, ["a"] * rows, **of_table).stopping == ()) == allowed


def test_rows_over_the_bound_are_rejected_and_too_few_are_only_reported(examined: Examine) -> None:
    few = TEXT | rule("nullValues", mustBeBetween=[1, 2], severity="warning")
    many = examined(few, [None, None, None, "a"])
    assert many.rejected is not None
    assert many.rejected["row"].tolist() == [0, 1, 2]
    none = examined(few, ["a", "b", "c", "d"])
    assert none.rejected is None
    assert none.findings == ("rule 'r', column 'x': r (found 0 of 4 rows, promised at least 1 and at most 2)",)


def test_severity_info_is_reported_and_rejects_no_row(examined: Examine) -> None:
    result = examined(TEXT | rule("nullValues", mustBe=0, severity="info"), ["a", None])
    assert len(result.findings) == 1
    assert (result.stopping, result.rejected) == ((), None)


RETYPED: list[tuple[dict[str, Any], list[Any], str]] = [
    (
        NUMBER,
        ["many", "few"],
        "the contract promises number, the source has text: none of its 2 values can be parsed, the first is 'many'",
    ),
    ({"logicalType": "integer"}, ["many", "few"], "the contract promises integer, the source has text"),
    ({"logicalType": "boolean"}, ["many", "few"], "the contract promises boolean, the source has text"),
    ({"logicalType": "boolean"}, [1, 2], "the contract promises boolean, the source has int64"),
    (TIME, [20240101, 20240102], "the contract promises timestamp, the source has int64"),
    (TIME, ["soon", "later"], "the contract promises timestamp, the source has text"),
    (TEXT, [7, 8], "the contract promises string, the source has int64"),
    (NUMBER, [True, False], "the contract promises number, the source has bool"),
    (NUMBER, pd.to_datetime(["2024-01-01", "2024-01-02"]), "the contract promises number, the source has timestamp"),
    (
        TIME | {"physicalType": "timestamp[us, UTC]"},
        pd.to_datetime(["2024-01-01", "2024-01-02"]),
        r"the contract promises timestamp\[us, UTC\], the source has timestamp\[us\], without a time zone",
    ),
    (
        option(TIME, timezone=False),
        pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True),
        r"the source has timestamp\[us, tz=UTC\], with a time zone",
    ),
]


@pytest.mark.parametrize(("promise", "values", "message"), RETYPED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("row_faults", ["error", "warning", "series"])
def test_column_of_another_type_stops_the_night_whatever_row_faults_say(
    examined: Examine, promise: dict[str, Any], values: Any, message: str, row_faults: str
) -> None:
    result = examined(promise, values, customProperties=[{"property": "rowFaults", "value": row_faults}])
    (finding,) = result.stopping
    assert finding.startswith("rule 'type of the column', column 'x': the contract promises ")
    assert pd.Series([finding]).str.contains(message).all()
    assert result.rejected is None


@pytest.mark.parametrize(
    ("promise", "values"),
    [
        (NUMBER, [1, 2]),
        ({"logicalType": "integer"}, [1.0, None]),
        ({"logicalType": "boolean"}, [1, 0]),
        ({"logicalType": "boolean"}, [True, None]),
        (TIME | {"physicalType": "timestamptz"}, pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)),
        (TIME | {"physicalType": "timestamp"}, pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)),
        ({"logicalType": "time"}, ["06:00", "12:00"]),
        (NUMBER, [None, None]),
        (TEXT, [None, None]),
        ({}, [object(), 3]),
    ],
    ids=str,
)
def test_column_of_a_compatible_type_is_used(examined: Examine, promise: dict[str, Any], values: Any) -> None:
    assert examined(promise, values).findings == ()


@pytest.mark.parametrize(
    ("promise", "message"),
    [
        (NUMBER | text("type: expect_miracles\nkwargs: {column: x}"), "'r' is invalid.*expect_miracles"),
        (NUMBER | text("type: expect_column_values_to_be_between\nkwargs: {colum: x}"), "'r' is invalid.*colum"),
        (
            NUMBER | text("type: expect_column_values_to_be_between\nkwargs: {column: z, max_value: 1}"),
            "'r' is invalid",
        ),
        (TEXT | text("type: expect_column_values_to_match_regex\nkwargs: {column: x, regex: '('}"), "'r' is invalid"),
        (TEXT | text("type: expect_column_values_to_be_between\nkwargs: {column: x, max_value: 1}"), "'r' is invalid"),
        (
            NUMBER | text("type: expect_column_values_to_be_between\nkwargs: {column: x, max_value: 1, row_condition: "
                          "'((', condition_parser: pandas}"),
            "'r' is invalid",
        ),
    ],
)  # fmt: skip
def test_dry_run_reports_an_invalid_rule_without_data(
    tmp_path: Path, reading: Callable[..., DatasetSpec], promise: dict[str, Any], message: str
) -> None:
    from tasks.quality.rule_dry_run import dry_run_rules

    contract = contract_of(tmp_path, promise)
    with pytest.raises(SpecError, match=f"contract sales@1.0.0, rule {message}") as refused:
        dry_run_rules(contract, reading(contract=contract, features={"known": []}).column_types)
    assert refused.value.exit_code == 2


def test_dry_run_accepts_any_rule_type_on_a_column_without_a_type(
    tmp_path: Path, reading: Callable[..., DatasetSpec]
) -> None:
    from tasks.quality.rule_dry_run import dry_run_rules

    bodies = [
        "type: expect_column_values_to_be_between\nkwargs: {column: x, max_value: 1}",
        "type: expect_column_values_to_match_regex\nkwargs: {column: x, regex: a}",
        "type: expect_column_values_to_be_between\nkwargs: {column: x, max_value: 2024-01-31}",
    ]
    for body in bodies:
        contract = contract_of(tmp_path, text(body))
        dry_run_rules(contract, reading(contract=contract, features={"known": []}).column_types)
