"""Rules that compare two columns: the rows and verdicts are those of Great Expectations, or the rule is left to it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.rules import QualityRule
from flows.pipeline.spec import PipelineSpec
from tasks.quality import gx_suite, pair_rules
from tasks.quality.rule_dry_run import dry_run_rules
from tests.tasks.quality.test_column_rules import HOURS, by_great_expectations, frame

PIPELINES = Path(__file__).parents[3] / "deployments/pipelines"
VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.5, np.inf, np.nan])
IGNORED = st.sampled_from([{}, *({"ignore_row_if": word} for word in pair_rules.IGNORED)])
MOSTLY = st.sampled_from([{}, {"mostly": 0.5}, {"mostly": 1}, {"mostly": 0}])
OR_EQUAL = st.sampled_from([{}, {"or_equal": True}, {"or_equal": False}])


def rule(expectation: str, **arguments: Any) -> QualityRule:
    return QualityRule(name="r", sentence="r", expectation=expectation, arguments=arguments)


def greater(**arguments: Any) -> QualityRule:
    return rule(pair_rules.GREATER, **{"column_A": "x", "column_B": "z", **arguments})


@st.composite
def rules(draw: st.DrawFn) -> QualityRule:
    options = draw(MOSTLY) | draw(IGNORED)
    if draw(st.booleans()):
        return greater(**options, **draw(OR_EQUAL))
    return rule(pair_rules.EQUAL, column_A="x", column_B="z", **options)


@settings(max_examples=60)
@given(pairs=st.lists(st.tuples(VALUES, VALUES), max_size=6), checked=rules(), whole=st.booleans())
def test_rule_about_two_numbers_has_the_result_of_great_expectations(
    pairs: list[tuple[float, float]], checked: QualityRule, whole: bool
) -> None:
    a, b = (np.array([pair[side] for pair in pairs], dtype=float) for side in (0, 1))
    table = frame(x=a, z=np.nan_to_num(b, posinf=3).astype("int64") if whole else b)
    computed, expected = pair_rules.evaluate(table, checked), by_great_expectations(table, checked)
    assert expected.error is None
    assert computed is not None
    assert computed[:2] == expected[:2]


@settings(max_examples=30)
@given(hours=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6), checked=rules())
def test_rule_about_two_times_has_the_result_of_great_expectations(
    hours: list[tuple[int, int]], checked: QualityRule
) -> None:
    known = [HOURS[[pair[side] for pair in hours]].to_series(index=range(len(hours))) for side in (0, 1)]
    table = frame(x=known[0].where(known[0] != HOURS[1]), z=known[1].where(known[1] != HOURS[2]))
    computed, expected = pair_rules.evaluate(table, checked), by_great_expectations(table, checked)
    assert computed is not None
    assert computed[:2] == expected[:2]


def test_all_violating_rows_are_returned() -> None:
    table = frame(x=np.zeros(1000), z=np.ones(1000))
    assert pair_rules.evaluate(table, greater())[:2] == by_great_expectations(table, greater())[:2]


@pytest.mark.parametrize(
    ("checked", "rows"),
    [
        (greater(), [11, 12]),
        (greater(or_equal=True), [12]),
        (greater(or_equal=True, ignore_row_if="either_value_is_missing"), []),
        (greater(ignore_row_if="neither"), [11, 12, 13]),
        (rule(pair_rules.EQUAL, column_A="x", column_B="z"), [10, 12]),
    ],
)
def test_rule_about_two_columns_is_computed_here(checked: QualityRule, rows: list[int]) -> None:
    table = frame(x=[2.0, 1.0, 1.0, np.nan], z=[1.0, 1.0, np.nan, np.nan])
    assert pair_rules.evaluate(table, checked) == (not rows, rows, None, None)


@pytest.mark.parametrize(
    "checked",
    [
        greater(column_B="gone"),
        greater(column_B="name"),
        greater(column_B=None),
        greater(column_B="x"),
        greater(or_equal="yes"),
        greater(mostly=2),
        greater(ignore_row_if="never"),
        greater(row_condition="x > 1"),
        rule(pair_rules.EQUAL, column_A="x", column_B="z", or_equal=True),
        rule("expect_column_pair_values_to_be_in_set", column_A="x", column_B="z", value_pairs_set=[[1, 1]]),
    ],
    ids=lambda checked: f"{checked.expectation} {checked.arguments}"[15:90],
)
def test_other_rules_are_left_to_great_expectations(checked: QualityRule) -> None:
    assert pair_rules.evaluate(frame(x=[1.0, 2.0], z=[1.0, 1.0], name=["a", "b"]), checked) is None


def test_rule_about_two_columns_has_row_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    assert gx_suite.has_row_results(greater())


def test_contract_of_the_demo_is_proved_without_great_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    spec = PipelineSpec.read("nyc-delays", PIPELINES)
    contract = spec.dataset.contract
    assert contract is not None
    assert {rule.expectation for rule in contract.rules} >= {pair_rules.GREATER}
    dry_run_rules(contract, spec.dataset.column_types)


def test_two_columns_of_one_name_are_left_to_great_expectations() -> None:
    table = pd.concat([frame(x=[1.0], z=[2.0]), pd.DataFrame({"z": [3.0]})], axis=1)
    assert pair_rules.evaluate(table, greater()) is None
