"""Whatever stands in a contract, it is read, compared and shown, or refused with a sentence that names the file."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract import Contract
from data_contracts.contract_diff import changes
from data_contracts.errors import SpecError
from data_contracts.markdown import render_markdown
from data_contracts.odcs_compiler import ODCS, read_contract

README = (ODCS.parent / "CONTRACTS.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
SALES = yaml.safe_load(README)
NUMBERS = [-1, 0.5, float("nan"), float("inf"), 10**400]
NESTED: list[Any] = [[], [1], [[1]], {}, {"a": 1}, ["a", None]]
TEXTS = """|(|[|x|2024-01-31|error|series|percent|timestamp[us, Nowhere]|timestamp[us]|decimal(10,2)|<b>`|nullValues|
missingValues|invalidValues|duplicateValues|rowCount|library|sql|text|freshness"""
JUNK = st.sampled_from([None, True, *NUMBERS, *NESTED, "a|b\x85", *TEXTS.replace("\n", "").split("|")])
NAMES = """mustBe mustNotBeBetween mustBeBetween mustBeLessThan arguments unit severity metric type customProperties
logicalType physicalType logicalTypeOptions enum unique examples engine implementation quality format minimum
multipleOf minLength timezone defaultTimezone pattern validValues missingValues properties kwargs property value id name
physicalName"""
WORDS = st.sampled_from(NAMES.split())


def places(document: Any) -> Iterator[Any]:
    """Every mapping and list in a document."""
    if isinstance(document, dict | list):
        yield document
        for value in document.values() if isinstance(document, dict) else document:
            yield from places(value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(slips=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), WORDS, JUNK), min_size=1, max_size=3))
def test_any_mutation_gives_a_spec_error_or_a_contract(tmp_path: Path, slips: list[tuple[int, int, str, Any]]) -> None:
    document = copy.deepcopy(SALES)
    for where, which, word, junk in slips:
        found = list(places(document))
        place = found[where % len(found)]
        if isinstance(place, list) and place:
            place[which % len(place)] = copy.deepcopy(junk)
        elif isinstance(place, dict):
            known = sorted(place)
            place[known[which] if which < len(known) else word] = copy.deepcopy(junk)
    path = tmp_path / "any.odcs.yaml"
    path.write_text(yaml.dump(document, Dumper=Plain, sort_keys=False), encoding="utf-8")
    try:
        contract = read_contract(path)
    except SpecError as slip:
        refused: SpecError | None = slip
    else:
        refused = None
    if refused:
        assert "any.odcs.yaml" in str(refused)
        return
    assert render_markdown(contract).startswith("# ")
    assert contract.schema.names == [column.name for column in contract.columns]
    assert changes(contract, contract) == ()
    assert all(change.line for change in changes(sales(tmp_path), contract))


class Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def sales(folder: Path) -> Contract:
    path = folder / "sales.odcs.yaml"
    path.write_text(README, encoding="utf-8")
    return read_contract(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"logicalType": "number", "logicalTypeOptions": {"minLength": 2}}, "sold has logicalTypeOptions.minLength"),
        ({"logicalType": "number", "logicalTypeOptions": {"minimum": "low"}}, "sold has minimum 'low'. Write a number"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"minimum": "soon"}}, "has minimum 'soon'. Write a date"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": "UTC"}}, "timezone 'UTC'. Write true"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"defaultTimezone": "Mars"}}, "'Mars' is not a time zone"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"format": "W"}}, "the format 'W' is not supported"),
        ({"logicalType": "string", "logicalTypeOptions": {"pattern": "("}}, "which is not a regular expression"),
        ({"logicalType": "string", "logicalTypeOptions": {"format": "iban"}}, "Formats of string: email, uuid"),
        ({"logicalType": "integer", "logicalTypeOptions": {"multipleOf": 0}}, "multipleOf 0. Write a number above 0"),
        ({"physicalType": "timestamp[us, Nowhere]"}, "'Nowhere' is not a time zone"),
        ({"logicalType": "integer", "enum": [{"value": "7"}]}, "lists '7', but the values of its column are integer"),
        ({"logicalType": "string", "enum": [{"value": 7}]}, "write text; put it in quotes"),
        (
            {"quality": [{"metric": "nullValues", "mustBeLessThan": 0}]},
            "asks for less than 0, which no count satisfies",
        ),
        ({"quality": [{"metric": "nullValues", "mustBe": -1}]}, "has the bound -1. Write 0 or more"),
        ({"quality": [{"metric": "nullValues", "mustBeLessThan": 101, "unit": "percent"}]}, "100 at most"),
        ({"quality": [{"metric": "nullValues", "mustBeBetween": [5, 2]}]}, "takes the smaller number first"),
        ({"quality": [{"metric": "nullValues", "mustBe": 1, "mustBeLessThan": 3}]}, "Write one bound, or a lower and"),
        ({"quality": [{"metric": "nullValues", "mustBe": 0, "unit": "bytes"}]}, "has the unit 'bytes'. Write rows"),
        (
            {"quality": [{"metric": "nullValues", "arguments": {"pattern": "a"}, "mustBe": 0}]},
            "Accepted arguments: none",
        ),
        (
            {"quality": [{"metric": "duplicateValues", "arguments": {"properties": ["z"]}}]},
            "'z', which is not a property",
        ),
        ({"quality": [{"metric": "not_null", "mustBe": 0}]}, "Known metrics: rowCount, nullValues, missingValues"),
        (
            {"quality": [{"type": "sql", "query": "select 1", "mustBe": 0}]},
            "has type 'sql'. Supported are library, custom",
        ),
        (
            {
                "quality": [
                    {"metric": "nullValues", "mustBe": 0, "customProperties": [{"property": "scope", "value": "shop"}]}
                ]
            },
            "has scope 'shop'. Write table or series",
        ),
    ],
)
def test_unsupported_option_is_rejected_with_accepted_values(tmp_path: Path, words: dict[str, Any], said: str) -> None:
    document = copy.deepcopy(SALES)
    document["schema"][0]["properties"][2] = {"name": "sold"} | words
    path = tmp_path / "sales.odcs.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        read_contract(path)
    assert said in str(refused.value)
    assert "sales.odcs.yaml" in str(refused.value)
