"""Numbers as text: each convention to its value, never an error, and never another value than the text says."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.sources.number_formats import NUMBER_FORMATS, describe_invalid_numbers, is_ambiguous
from tasks.sources.numbers import MISSING, NumberFormat, parse_numbers
from tasks.sources.spec import SourceSpec

POINT, COMMA = NumberFormat("."), NumberFormat(",")
EN, DE, FR, CH = NumberFormat(".", ","), NumberFormat(",", "."), NumberFormat(",", " "), NumberFormat(".", "'")
BAD = "not a number"


def parsed(values: list[Any], style: NumberFormat = POINT) -> list[Any]:
    result = parse_numbers(pd.Series(values, dtype=object), style)
    pairs = zip(result.numbers, result.invalid | result.infinite, strict=True)
    return [BAD if wrong else None if math.isnan(number) else number for number, wrong in pairs]


@pytest.mark.parametrize(
    ("style", "text", "number"),
    [
        (EN, "10,126.00", 10126.0), (EN, "1,234", 1234.0), (EN, "1,234,567.5", 1234567.5), (EN, "12,34,567", 1234567.0),
        (EN, "999", 999.0), (EN, "-1,234", -1234.0), (EN, "1,23", BAD), (EN, "1,2345", BAD), (EN, "0,123", BAD),
        (EN, "1,234.5,6", BAD), (EN, "1.234.567", BAD), (EN, "1.5", 1.5), (EN, "12345.6", 12345.6), (EN, ",5", BAD),
        (DE, "10.126,00", 10126.0), (DE, "1.234", 1234.0), (DE, "1.234.567,8", 1234567.8), (DE, "1,5", 1.5),
        (DE, "1.5", BAD), (DE, "1.23", BAD), (DE, "0,5", 0.5), (DE, ",5", 0.5), (DE, "-1.234,5", -1234.5),
        (FR, "10 126,00", 10126.0), (FR, "10\u00a0126,00", 10126.0), (FR, "10\u202f126,00", 10126.0),
        (FR, "1 2", BAD), (FR, "10 126.00", BAD), (FR, "1 234 567", 1234567.0),
        (CH, "10'126.00", 10126.0), (CH, "10\u2019126.00", 10126.0), (CH, "1'23", BAD),
        (COMMA, "1,5", 1.5), (COMMA, "-2e1", -20.0), (COMMA, "1.234", BAD), (COMMA, "1.234,5", BAD),
        (POINT, "1.234", 1.234), (POINT, "1,234", BAD), (POINT, "1 234", BAD), (POINT, "10'126", BAD),
        (POINT, "\u22125", -5.0), (POINT, "\u20135", -5.0), (POINT, "- 5", -5.0), (POINT, "--5", BAD),
        (POINT, "(12.3)", -12.3), (POINT, "( 12.3 )", -12.3), (POINT, "(12.3", BAD), (POINT, "(-12.3)", BAD),
        (POINT, "12.3-", -12.3), (POINT, "-12.3-", BAD), (POINT, "+12.3", 12.3), (POINT, "12-3", BAD),
        (POINT, "12.3%", 12.3), (POINT, "12.3 %", 12.3), (POINT, "%", BAD), (POINT, "12.3\u00a0%", 12.3),
        (POINT, "$12.3", 12.3), (POINT, "-$12.3", -12.3), (POINT, "$-12.3", -12.3), (POINT, "($12.3)", -12.3),
        (POINT, "12.30 €", 12.3), (POINT, "EUR 12.3", 12.3), (POINT, "12.3 USD", 12.3), (POINT, "US$ 12", 12.0),
        (POINT, "12 kr", 12.0), (POINT, "12 zł", 12.0), (POINT, "$12 USD", BAD), (POINT, "12 kWh", BAD),
        (DE, "1.234,50 €", 1234.5), (EN, "$1,234.50", 1234.5), (EN, "(1,234)", -1234.0), (CH, "CHF 1'234.50", 1234.5),
        (POINT, "1e3", 1000.0), (POINT, "1.5E-2", 0.015), (POINT, "5.", 5.0), (POINT, "12\u00b2", BAD),
        (POINT, "True", 1.0), (POINT, "false", 0.0), (POINT, "0x10", BAD), (POINT, "1_000", BAD), (POINT, "½", BAD),
        (POINT, "12:30", BAD), (POINT, "2024-03-01", BAD), (POINT, "1e400", BAD), (POINT, "inf", BAD),
        (POINT, b"12.5", 12.5), (POINT, Decimal("1.10"), 1.1), (POINT, [1.0], BAD),
    ],
)  # fmt: skip
def test_number_is_read_as_written_or_rejected(style: NumberFormat, text: Any, number: Any) -> None:
    result = parse_numbers(pd.Series([text, None], dtype=object), style)
    assert (BAD if (result.invalid | result.infinite)[0] else result.numbers[0]) == number
    assert not result.invalid[1]


@pytest.mark.parametrize("sign", ["?", "-", "--", "#N/A", "#N/A N/A", "n.a.", ".", "…", "null", "NaN", "(null)", r"\N",
                                  "NA", "", " ", "None", "<NA>", "–", ":", "nan", None, math.nan])  # fmt: skip
def test_usual_signs_are_missing_numbers(sign: Any) -> None:
    assert parsed(["1.5", sign, "2"]) == [1.5, None, 2.0]


@pytest.mark.parametrize(
    ("missing", "values", "numbers"),
    [
        ((-999.0,), ["-999", "-999.0", "1", "-999.5"], [None, None, 1.0, -999.5]),
        ((-999.0,), [-999, 1], [None, 1.0]),
        (("-999",), [-999.0, 1.0], [None, 1.0]),
        (("x", "ND"), ["x", "nd", " ND ", "1.5", "y"], [None, None, None, 1.5, BAD]),
        ((), ["-999", "x"], [-999.0, BAD]),
    ],
)
def test_further_signs_are_set_by_the_source(missing: tuple[Any, ...], values: list[Any], numbers: list[Any]) -> None:
    assert parsed(values, NumberFormat(missing=missing)) == numbers
    typed = pd.Series(values)
    assert parse_numbers(typed, NumberFormat(missing=missing)).numbers.isna().tolist() == [
        number in (None, BAD) for number in numbers
    ]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([True, None, False], [1.0, None, 0.0]),
        (["True", "", "False"], [1.0, None, 0.0]),
        (["yes", "no", "Yes", "-"], [1.0, 0.0, 1.0, None]),
        (["t", "f"], [1.0, 0.0]),
        (["0.5", "T", "1"], [0.5, BAD, 1.0]),  # a trace of rain
        (["2", "true"], [2.0, 1.0]),
        ([True, 2.5], [1.0, 2.5]),
    ],
)
def test_booleans_are_numbers_with_and_without_gaps(values: list[Any], numbers: list[Any]) -> None:
    assert parsed(values) == numbers


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["5 %", "7%", "0"], [5.0, 7.0, 0.0]),
        (["5 %", "0.05"], [BAD, 0.05]),  # are they alike?
        (["$5", "€5", "6"], [BAD, BAD, 6.0]),
        (["$5", "6"], [5.0, 6.0]),
        (["5 %", "$5"], [BAD, BAD]),
    ],
)
def test_column_of_several_units_is_not_mixed_up(values: list[Any], numbers: list[Any]) -> None:
    assert parsed(values) == numbers


@settings(max_examples=40)
@given(
    style=st.sampled_from([*NUMBER_FORMATS, NumberFormat(missing=("?x", -999.0))]),
    texts=st.lists(st.text() | st.text("0123456789.,-+ '%()$€eE\u2212\u00a0_x٣", max_size=12), max_size=20),
)
@example(
    style=EN, texts=["٣", "\uff11\uff12", "1__0", "\x00", "0" * 400, "1" * 400, "1e" + "9" * 30, "infinity", "-nan"]
)
def test_any_text_gives_a_number_or_a_fault(style: NumberFormat, texts: list[str]) -> None:
    result = parse_numbers(pd.Series(texts, dtype="str"), style)
    assert len(result.numbers) == len(texts)
    assert not np.isinf(result.numbers).any()
    assert result.numbers[result.invalid].isna().all()
    describe_invalid_numbers(pd.Series(texts, dtype="str"), result.invalid, style)


@settings(max_examples=60)
@given(
    number=st.floats(-1e15, 1e15).map(lambda number: round(number, 2)),
    style=st.sampled_from(NUMBER_FORMATS),
    shape=st.sampled_from(["{}", " {} ", "{} %", "$ {}", "{} EUR", "minus", "trailing", "parentheses"]),
)
def test_number_in_each_convention_is_read_back(number: float, style: NumberFormat, shape: str) -> None:
    text = f"{abs(number):_.2f}".replace(".", "d").replace("_", style.thousands or "").replace("d", style.decimal)
    sign = "-" if number < 0 else ""
    shapes = {"minus": f"\u2212{text}" if sign else text, "trailing": text + sign,
              "parentheses": f"({text})" if sign else text}  # fmt: skip
    written = shapes.get(shape) or shape.format(sign + text)
    assert parsed([written], style) == [number]


def test_text_is_parsed_to_the_last_bit_and_by_distinct_values() -> None:
    draw = np.random.default_rng(1).normal(size=500)
    assert parsed([repr(float(number)) for number in draw]) == draw.tolist()
    many = pd.Series(["10,126.00", "?", "x"], dtype="str").repeat(100_000).reset_index(drop=True)
    result = parse_numbers(many, EN)
    assert (result.numbers.sum(), result.invalid.sum()) == (10126.0 * 100_000, 100_000)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (["10,126.00", "1"], "; if '10,126.00' is one, set thousands: \",\" in the source"),
        (["10.126,00", "1"], '; if \'10.126,00\' is one, set decimal: ",", thousands: "." in the source'),
        (["10 126,00"], '; if \'10 126,00\' is one, set decimal: ",", thousands: " " in the source'),
        (["3,5", "2"], "; if '3,5' is one, set decimal: \",\" in the source"),
        (["3,5", "2.5"], ""),
        (["kaputt", "kaputt", "1"], "; if 'kaputt' means missing, add it to missing in the source"),
        (["kaputt", "1"], ""),
    ],
)
def test_fault_names_the_setting_that_reads_the_column(values: list[str], hint: str) -> None:
    column = pd.Series(values, dtype="str")
    reason = describe_invalid_numbers(column, parse_numbers(column).invalid, POINT)
    assert reason == "must be a number or empty" + hint


@pytest.mark.parametrize(
    ("values", "ambiguous"),
    [
        (["1.234", "12.345"], True),
        (["1,234", "7"], True),
        (["0.123"], False),
        (["1.23", "1.234"], False),
        (["7"], False),
    ],
)
def test_thousand_or_fraction_is_ambiguous(values: list[str], ambiguous: bool) -> None:
    assert is_ambiguous(pd.Series(values)) == ambiguous


def test_source_says_how_numbers_are_written() -> None:
    source = SourceSpec.model_validate(
        {"kind": "parquet", "path": "t", "decimal": ",", "thousands": ".", "missing": ["?", -999]}
    )
    assert source.number_format == NumberFormat(",", ".", ("?", -999.0))
    with pytest.raises(ValidationError, match=r"thousands and decimal are both '\.'"):
        SourceSpec(kind="csv", path="t", thousands=".")


def test_missing_signs_are_lower_case() -> None:
    assert {sign.lower() for sign in MISSING} == MISSING
