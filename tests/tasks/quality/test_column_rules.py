"""Rules of known kinds: the rows and verdicts are those of Great Expectations, or the rule is left to it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract import Contract
from data_contracts.rules import QualityRule
from tasks.quality import column_rules, gx_suite

HOURS = pd.date_range("2024-03-01", periods=6, freq="h", tz="UTC").as_unit("us")
MARCH = pd.Timestamp("2024-03-01 02:00", tz="UTC")


def rule(expectation: str, **arguments: Any) -> QualityRule:
    return QualityRule(name="r", sentence="r", expectation=f"expect_{expectation}", arguments=arguments)


def by_great_expectations(frame: pd.DataFrame, checked: QualityRule) -> column_rules.RuleResult:
    contract = Contract(id="c", version="1.0.0", columns=(), rules=(checked,))
    return gx_suite._run_great_expectations(frame, {0: checked}, contract)[0]


def frame(**columns: Any) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"row": np.arange(10, 10 + count), **columns})


NUMBERS = st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.5, 3.0, -1.0, np.nan]), max_size=6)
TEXTS = st.lists(st.sampled_from(["a", "ab", "Ä", "", "x1", "a b", "٣", "a\n", None]), max_size=6)
PATTERNS = ["^a", "[a-z]+$", "1", "^.$", "", r"^\w+$", r"\d", r"\s", r"\bb", "^(?:a|x1)$", r"^(?:[^\s]+\s)*\w$"]
LIMIT = st.sampled_from([None, -1, 0, 1, 2.5])
MOSTLY = st.sampled_from([{}, {"mostly": 0.5}, {"mostly": 1}, {"mostly": 0}])
STRICT = st.sampled_from([{}, {"strict_min": True}, {"strict_max": True}, {"strict_min": True, "strict_max": True}])


@st.composite
def number_rules(draw: st.DrawFn) -> QualityRule:
    kind = draw(st.sampled_from(["between", "in_set", "not_be_in_set", "not_be_null", "be_null", "be_unique"]))
    mostly = draw(MOSTLY)
    if kind == "between":
        limits = {"min_value": draw(LIMIT), "max_value": draw(LIMIT)} | draw(STRICT)
        return rule("column_values_to_be_between", column="x", **limits, **mostly)
    listed = {"value_set": draw(st.lists(st.sampled_from([0, 1, 2.5]), min_size=1))} if "set" in kind else {}
    name = "column_values_to_be_in_set" if kind == "in_set" else f"column_values_to_{kind}"
    return rule(name, column="x", **listed, **mostly)


@st.composite
def text_rules(draw: st.DrawFn) -> QualityRule:
    kind = draw(
        st.sampled_from(["be_in_set", "not_be_in_set", "match_regex", "not_match_regex", "be_unique", "lengths"])
    )
    mostly = draw(MOSTLY)
    if kind == "lengths":
        limits = {"min_value": draw(st.sampled_from([None, 0, 1])), "max_value": draw(st.sampled_from([None, 1, 2]))}
        return rule("column_value_lengths_to_be_between", column="x", **limits, **draw(STRICT), **mostly)
    options = {"value_set": ["a", "x1", "z"]} if "set" in kind else {}
    options |= {"regex": draw(st.sampled_from(PATTERNS))} if "regex" in kind else {}
    return rule(f"column_values_to_{kind}", column="x", **options, **mostly)


def assert_same_result(table: pd.DataFrame, checked: QualityRule) -> None:
    """Equal to Great Expectations, on text as categories too, unless the rule is left to it."""
    computed = column_rules.evaluate(table, checked)
    if computed is None:
        return
    expected = by_great_expectations(table, checked)
    assert expected.error is None
    assert computed[:2] == expected[:2]
    if isinstance(table["x"].dtype, pd.StringDtype):
        assert column_rules.evaluate(table.astype({"x": "category"}), checked)[:2] == expected[:2]


@settings(max_examples=60)
@given(values=NUMBERS, checked=number_rules())
def test_rule_about_numbers_has_the_result_of_great_expectations(values: list[float], checked: QualityRule) -> None:
    assert_same_result(frame(x=np.array(values, dtype=float)), checked)


@settings(max_examples=60)
@given(values=TEXTS, checked=text_rules())
def test_rule_about_text_has_the_result_of_great_expectations(values: list[str | None], checked: QualityRule) -> None:
    assert_same_result(frame(x=pd.Series(values, dtype="str")), checked)


@settings(max_examples=30)
@given(names=TEXTS, strict=STRICT, data=st.data())
def test_rule_about_keys_and_times_has_the_result_of_great_expectations(
    names: list[str | None], strict: dict[str, bool], data: st.DataObject
) -> None:
    steps = data.draw(st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names)))
    table = frame(x=HOURS[steps], name=pd.Series(names, dtype="str"))
    assert_same_result(table, rule("compound_columns_to_be_unique", column_list=["name", "x"]))
    assert_same_result(table, rule("column_values_to_be_between", column="x", min_value=MARCH, **strict))


@pytest.mark.parametrize(
    ("checked", "rows"),
    [
        (rule("column_values_to_be_between", column="x", min_value=2), [10]),
        (rule("column_values_to_not_be_null", column="x"), [12]),
        (rule("column_values_to_be_in_set", column="x", value_set=[1]), [11]),
        (rule("column_values_to_match_regex", column="name", regex="^a"), [11]),
        (rule("column_values_to_match_regex", column="name", regex=r"^(?:a|b)\w"), [10, 12]),
        (rule("column_value_lengths_to_be_between", column="name", max_value=1), [11]),
        (rule("column_values_to_be_unique", column="name"), [10, 12]),
        (rule("compound_columns_to_be_unique", column_list=["x", "name"]), []),
    ],
    ids=lambda value: str(getattr(value, "expectation", value)),
)
def test_rule_of_a_known_kind_is_computed_here(checked: QualityRule, rows: list[int]) -> None:
    result = column_rules.evaluate(frame(x=[1.0, 2.0, np.nan], name=["a", "bb", "a"]), checked)
    assert result == (not rows, rows, None, None)


@pytest.mark.parametrize(
    "checked",
    [
        rule("column_values_to_be_between", column="x"),
        rule("column_values_to_be_between", column="x", min_value=3, max_value=1),
        rule("column_values_to_be_between", column="x", min_value="1"),
        rule("column_values_to_be_between", column="x", min_value=1 << 60),
        rule("column_values_to_be_between", column="x", min_value=1, mostly=2),
        rule("column_values_to_be_between", column="x", min_value=1, row_condition="x > 1"),
        rule("column_values_to_be_between", column="gone", min_value=1),
        rule("column_values_to_be_between", column="name", min_value=1),
        rule("column_values_to_match_regex", column="name", regex="(?=a)"),
        rule("column_values_to_match_regex", column="name", regex=r"(a)\1"),
        rule("column_values_to_match_regex", column="name", regex=r"a\Z"),
        rule("column_values_to_match_regex", column="name", regex="("),
        rule("column_values_to_match_regex", column="x", regex="1"),
        rule("column_values_to_be_in_set", column="x", value_set=["a"]),
        rule("column_values_to_be_in_set", column="x", value_set=None),
        rule("column_values_to_be_increasing", column="x"),
        rule("column_mean_to_be_between", column="x", min_value=1),
        rule("compound_columns_to_be_unique", column_list=["x", "name"], ignore_row_if="never"),
        rule("table_row_count_to_be_between", min_value=1),
    ],
    ids=lambda checked: f"{checked.expectation} {checked.arguments}"[7:70],
)
def test_other_rules_are_left_to_great_expectations(checked: QualityRule) -> None:
    assert column_rules.evaluate(frame(x=[1.0, 2.0], name=["a", "b"]), checked) is None
