"""Options of a property (`logicalTypeOptions`, `enum`, `unique`), compiled to time options and rules."""

import datetime as dt
import re
import sys
from collections.abc import Iterator
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from data_contracts.bounds import Bound
from data_contracts.column_types import ColumnType, PropertyRef, known_zone
from data_contracts.errors import SpecError
from data_contracts.metrics import check_pattern, check_values
from data_contracts.rules import QualityRule

MAX_NUMBER = sys.float_info.max  # YAML integers have no limit
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
ACCEPTED: dict[ColumnType, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("multipleOf", *BOUNDS, "format"),
    "integer": ("multipleOf", *BOUNDS, "format"),
    "time": (*BOUNDS, "format", "timezone", "defaultTimezone"),
    "clock": ("format", "timezone", "defaultTimezone"),
}
MULTIPLE = "is_multiple_of"  # implemented in tasks.quality: Great Expectations has no such expectation
FORMATS = {
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "uuid": r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$",
    "hostname": r"^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
    "ipv4": r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$",
    "ipv6": r"^(?=.*:.*:)[0-9A-Fa-f:.]{2,45}$",
    "byte": r"^[A-Za-z0-9+/]*={0,2}$",
}
UNCHECKED_FORMATS = ("password", "binary")  # they describe the meaning of a text, not its characters
INTEGER_FORMATS = {f"{sign}{bits}": (sign, bits) for sign in "iu" for bits in (8, 16, 32, 64, 128)}
JDK_LETTERS = {"yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S",
       "S": "%f", "X": "%z", "Z": "%z", "x": "%z"}  # fmt: skip


def time_options(prop: SchemaProperty, kind: ColumnType, what: str) -> dict[str, Any]:
    """Return zone, zoned and format of a column of times; empty for other kinds.

    Raises:
        SpecError: An option is unknown for this kind, or its value is invalid. The message begins with `what`.
    """
    options = prop.logicalTypeOptions or {}
    accepted = ACCEPTED.get(kind, ())
    if unknown := sorted(set(options) - set(accepted)):
        options_of_kind = ", ".join(accepted) or "none"
        raise SpecError(
            f"{what} has logicalTypeOptions.{unknown[0]}, but its values are {kind}. Options of {kind}: "
            f"{options_of_kind}."
        )
    if kind not in ("time", "clock"):
        return {}
    zoned, zone = options.get("timezone"), options.get("defaultTimezone")
    if zoned not in (None, True, False):
        raise SpecError(f"{what} has logicalTypeOptions.timezone {zoned!r}. Write true if times carry a zone.")
    try:
        zone = known_zone(str(zone)) if zone is not None else None
        return {"zone": zone, "zoned": zoned, "format": _strptime(options.get("format"))}
    except ValueError as wrong:
        raise SpecError(f"{what}: {wrong}.") from wrong


def implied_rules(prop: SchemaProperty, known: PropertyRef, row_faults: str, what: str) -> tuple[QualityRule, ...]:
    """Return one rule for each option of the property, as strict as the rowFaults of the table."""
    severity = {"severity": "warning"} if row_faults == "warning" else {}
    scope = {"scope": "series"} if row_faults == "series" else {}
    expectations = [*_value_rules(prop, known, what), *_option_rules(prop.logicalTypeOptions or {}, known, what)]
    return tuple(
        QualityRule.model_validate(
            {
                "name": f"{prop.name} {name}",
                "sentence": f"{prop.name} {sentence}",
                "expectation": expectation,
                "arguments": {"column": known.column, **arguments},
                "allowed": Bound(least=0, most=0),
                **severity,
                **scope,
            }
        )
        for name, sentence, expectation, arguments in expectations
    )


ImpliedRule = tuple[str, str, str, dict[str, Any]]  # name, sentence, expectation, arguments


def _value_rules(prop: SchemaProperty, known: PropertyRef, what: str) -> Iterator[ImpliedRule]:
    if prop.unique:
        yield "is unique", "must not repeat", "expect_column_values_to_be_unique", {}
    if prop.enum:
        values = check_values([entry.value for entry in prop.enum], known.kind, f"{what} (enum)")
        listed = ", ".join(map(str, values))
        yield (
            "is one of its enum",
            f"must be one of {listed}",
            "expect_column_values_to_be_in_set",
            {"value_set": values},
        )


def _option_rules(options: dict[str, Any], known: PropertyRef, what: str) -> Iterator[ImpliedRule]:
    for word in BOUNDS:
        if word in options:
            value, side = options[word], "min" if "inimum" in word else "max"
            least = ("at least" if side == "min" else "at most", "more than" if side == "min" else "less than")
            yield (
                f"keeps its {word}",
                f"must be {least['exclusive' in word]} {value}",
                "expect_column_values_to_be_between",
                {f"{side}_value": _limit(value, known.kind, word, what), f"strict_{side}": "exclusive" in word},
            )
    if "multipleOf" in options:
        step = _positive(options["multipleOf"], what)
        yield "is a multiple", f"must be a multiple of {step:g}", MULTIPLE, {"of": step}
    for word, side in (("minLength", "min"), ("maxLength", "max")):
        if word in options:
            length = options[word]
            if not isinstance(length, int) or isinstance(length, bool) or length < 0:
                raise SpecError(f"{what} has {word} {length!r}. Write a whole number of characters.")
            sentence = f"must have {'at least' if side == 'min' else 'at most'} {length} letters"
            yield f"keeps its {word}", sentence, "expect_column_value_lengths_to_be_between", {f"{side}_value": length}
    if "pattern" in options:
        regex = check_pattern(options["pattern"], what)
        yield "matches its pattern", f"must match {regex}", "expect_column_values_to_match_regex", {"regex": regex}
    if "format" in options and known.kind not in ("time", "clock"):
        yield from _format_rules(str(options["format"]), known.kind, what)


def _format_rules(written: str, kind: ColumnType, what: str) -> Iterator[ImpliedRule]:
    if kind == "string" and written in FORMATS:
        yield (
            "keeps its format",
            f"must be {written}",
            "expect_column_values_to_match_regex",
            {"regex": FORMATS[written]},
        )
    elif kind == "integer" and written in INTEGER_FORMATS:
        sign, bits = INTEGER_FORMATS[written]
        least, most = (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        between = {"min_value": least, "max_value": most}
        yield "keeps its format", f"must fit {written}", "expect_column_values_to_be_between", between
    elif not (kind == "string" and written in UNCHECKED_FORMATS) and not (
        kind == "number" and written in ("f32", "f64")
    ):
        formats = {
            "string": (*FORMATS, *UNCHECKED_FORMATS),
            "integer": tuple(INTEGER_FORMATS),
            "number": ("f32", "f64"),
        }[str(kind)]
        raise SpecError(f"{what} has the format {written!r}. Formats of {kind}: {', '.join(formats)}.")


def _limit(value: Any, kind: ColumnType, word: str, what: str) -> Any:
    """Return a number for numbers, and ISO text for times, which `tasks.quality` converts to an instant."""
    if kind == "time":
        try:
            return dt.datetime.fromisoformat(str(value)).isoformat()
        except ValueError as unread:
            raise SpecError(f"{what} has {word} {value!r}. Write a date or time such as 2024-01-31.") from unread
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise SpecError(f"{what} has {word} {value!r}. Write a number.")
    return value


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_NUMBER:
        raise SpecError(f"{what} has multipleOf {value!r}. Write a number above 0.")
    return float(value)


def _strptime(written: Any) -> str | None:
    """Convert a time format from the letters of the JDK (dd/MM/yyyy) to strptime (%d/%m/%Y)."""
    if written is None:
        return None
    directives = []
    for quoted, letters, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", str(written)):
        if letters and set(letters) <= set("yuMdHmsSXZx"):
            for run in re.findall(r"y+|u+|M+|d+|H+|m+|s+|S+|X+|Z+|x+", letters):
                directives.append(
                    JDK_LETTERS.get(run)
                    or JDK_LETTERS.get(run[0] if run[0] in "SXZx" else run)
                    or _reject_format(written)
                )
        elif letters:
            _reject_format(written)
        else:
            directives.append((quoted or other).replace("%", "%%"))
    return "".join(directives)


def _reject_format(written: Any) -> str:
    raise ValueError(f"the format {written!r} is not supported. Write one such as yyyy-MM-dd HH:mm:ss")
