"""Which pipelines can be checked in parts: no check needs rows of several series."""

from collections.abc import Callable
from typing import Any

import pytest

from data_contracts.contract import Contract
from tasks.quality.series_scope import are_series_checked_alone
from tasks.sources.dataset import DatasetSpec

MakeDataset = Callable[..., DatasetSpec]
MakeContract = Callable[..., Contract]


def metric(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "library", "metric": name, **more}


def expectation(kind: str, **kwargs: Any) -> dict[str, Any]:
    implementation = {"type": kind, "kwargs": kwargs}
    return {"name": "rule", "type": "custom", "engine": "greatExpectations", "implementation": implementation}


SERIES = {"customProperties": [{"property": "scope", "value": "series"}]}
PAIR = {"arguments": {"properties": ["sku", "hour"]}, "mustBe": 0}
BETWEEN = expectation("expect_column_values_to_be_between", column="sold", min_value=0)
MOSTLY = expectation("expect_column_values_to_be_between", column="sold", min_value=0, mostly=0.9)


@pytest.mark.parametrize(
    ("rule", "alone"),
    [
        pytest.param(BETWEEN, True, id="a rule about single rows"),
        pytest.param(MOSTLY, False, id="a share of all rows"),
        pytest.param(MOSTLY | SERIES, True, id="a share of the rows of each series"),
        pytest.param(metric("nullValues", mustBe=0), True, id="no row at all"),
        pytest.param(metric("nullValues", mustBeLessThan=5), False, id="a count of all rows"),
        pytest.param(metric("nullValues", mustBeLessThan=5) | SERIES, True, id="a count of the rows of each series"),
        pytest.param(metric("duplicateValues", **PAIR), True, id="a key with the series"),
        pytest.param(metric("duplicateValues", mustBe=0), False, id="a key over all series"),
        pytest.param(expectation("expect_column_mean_to_be_between", column="sold", max_value=9), False, id="a mean"),
    ],
)
def test_rule_decides(rule: dict[str, Any], alone: bool, reading: MakeDataset, promise: MakeContract) -> None:
    assert are_series_checked_alone(reading(contract=promise(rule))) is alone


def test_count_of_the_rows_of_the_table_needs_all_of_them(reading: MakeDataset, promise: MakeContract) -> None:
    rule = metric("rowCount", mustBeGreaterThan=10)
    assert not are_series_checked_alone(reading(contract=promise(rule, at="table")))
    assert are_series_checked_alone(reading(contract=promise(rule | SERIES, at="table")))


def test_wide_table_and_table_of_one_series_are_checked_as_a_whole(reading: MakeDataset) -> None:
    assert are_series_checked_alone(reading())
    assert not are_series_checked_alone(reading(columns={"unique_id": "sku", "ds": "hour", "y": ["sold", "returned"]}))
    assert not are_series_checked_alone(reading(columns={"ds": "hour", "y": "sold"}))
