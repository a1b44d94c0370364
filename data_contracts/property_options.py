"""What a property promises of its values (`logicalTypeOptions`, `enum`, `unique`), as facts and rules."""

import datetime as dt
import re
import sys
from collections.abc import Iterator
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from data_contracts.bounds import Bound
from data_contracts.column_types import ColumnType, PropertyRef, known_zone
from data_contracts.errors import SpecError
from data_contracts.metrics import fitting, pattern
from data_contracts.rules import QualityRule

MOST = sys.float_info.max  # a YAML may hold any whole number
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
ACCEPTED: dict[ColumnType, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("multipleOf", *BOUNDS, "format"),
    "integer": ("multipleOf", *BOUNDS, "format"),
    "time": (*BOUNDS, "format", "timezone", "defaultTimezone"),
    "clock": ("format", "timezone", "defaultTimezone"),
}
MULTIPLE = "is_multiple_of"  # of our own: Great Expectations has none
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
TOLD = ("password", "binary")  # formats that say something to people and nothing about the letters
WHOLE = {f"{sign}{bits}": (sign, bits) for sign in "iu" for bits in (8, 16, 32, 64, 128)}
JDK = {"yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S",
       "S": "%f", "X": "%z", "Z": "%z", "x": "%z"}  # fmt: skip


def facts_of(prop: SchemaProperty, kind: ColumnType, what: str) -> dict[str, Any]:
    """zone, zoned and format of a column of times. SpecError, which begins with `what`, for an option that is none."""
    options = prop.logicalTypeOptions or {}
    accepted = ACCEPTED.get(kind, ())
    if unknown := sorted(set(options) - set(accepted)):
        told = f"it takes {', '.join(accepted)}" if accepted else "it takes none"
        raise SpecError(f"{what} has logicalTypeOptions.{unknown[0]}, and its values are {kind}: {told}.")
    if kind not in ("time", "clock"):
        return {}
    zoned, zone = options.get("timezone"), options.get("defaultTimezone")
    if zoned not in (None, True, False):
        raise SpecError(f"{what} has logicalTypeOptions.timezone {zoned!r}; write true where times carry a zone.")
    try:
        zone = known_zone(str(zone)) if zone is not None else None
        return {"zone": zone, "zoned": zoned, "format": _strptime(options.get("format"))}
    except ValueError as wrong:
        raise SpecError(f"{what}: {wrong}.") from wrong


def rules_of(prop: SchemaProperty, known: PropertyRef, row_faults: str, what: str) -> tuple[QualityRule, ...]:
    """One rule a promise, as strict as the table's rowFaults."""
    severity = {"severity": "warning"} if row_faults == "warning" else {}
    scope = {"scope": "series"} if row_faults == "series" else {}
    found = [*_of_values(prop, known, what), *_of_options(prop.logicalTypeOptions or {}, known, what)]
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
        for name, sentence, expectation, arguments in found
    )


Found = tuple[str, str, str, dict[str, Any]]


def _of_values(prop: SchemaProperty, known: PropertyRef, what: str) -> Iterator[Found]:
    if prop.unique:
        yield "is unique", "must not repeat", "expect_column_values_to_be_unique", {}
    if prop.enum:
        values = fitting([entry.value for entry in prop.enum], known.kind, f"{what} (enum)")
        told = ", ".join(map(str, values))
        yield "is one of its enum", f"must be one of {told}", "expect_column_values_to_be_in_set", {"value_set": values}


def _of_options(options: dict[str, Any], known: PropertyRef, what: str) -> Iterator[Found]:
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
                raise SpecError(f"{what} has {word} {length!r}; write a whole number of letters.")
            told = f"must have {'at least' if side == 'min' else 'at most'} {length} letters"
            yield f"keeps its {word}", told, "expect_column_value_lengths_to_be_between", {f"{side}_value": length}
    if "pattern" in options:
        regex = pattern(options["pattern"], what)
        yield "matches its pattern", f"must match {regex}", "expect_column_values_to_match_regex", {"regex": regex}
    if "format" in options and known.kind not in ("time", "clock"):
        yield from _of_format(str(options["format"]), known.kind, what)


def _of_format(written: str, kind: ColumnType, what: str) -> Iterator[Found]:
    if kind == "string" and written in FORMATS:
        yield (
            "keeps its format",
            f"must be {written}",
            "expect_column_values_to_match_regex",
            {"regex": FORMATS[written]},
        )
    elif kind == "integer" and written in WHOLE:
        sign, bits = WHOLE[written]
        least, most = (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        between = {"min_value": least, "max_value": most}
        yield "keeps its format", f"must fit {written}", "expect_column_values_to_be_between", between
    elif not (kind == "string" and written in TOLD) and not (kind == "number" and written in ("f32", "f64")):
        formats = {"string": (*FORMATS, *TOLD), "integer": tuple(WHOLE), "number": ("f32", "f64")}[str(kind)]
        raise SpecError(f"{what} has the format {written!r}; known for {kind} are {', '.join(formats)}.")


def _limit(value: Any, kind: ColumnType, word: str, what: str) -> Any:
    """A number for numbers; for times their ISO text, which the judge turns into an instant."""
    if kind == "time":
        try:
            return dt.datetime.fromisoformat(str(value)).isoformat()
        except ValueError as unread:
            raise SpecError(f"{what} has {word} {value!r}; write a date or time such as 2024-01-31.") from unread
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST <= value <= MOST:
        raise SpecError(f"{what} has {word} {value!r}; write a number.")
    return value


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
        raise SpecError(f"{what} has multipleOf {value!r}; write a number above 0.")
    return float(value)


def _strptime(written: Any) -> str | None:
    """How times are written, from the letters of the JDK (dd/MM/yyyy) to those of strptime (%d/%m/%Y)."""
    if written is None:
        return None
    told = []
    for quoted, letters, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", str(written)):
        if letters and set(letters) <= set("yuMdHmsSXZx"):
            for run in re.findall(r"y+|u+|M+|d+|H+|m+|s+|S+|X+|Z+|x+", letters):
                told.append(JDK.get(run) or JDK.get(run[0] if run[0] in "SXZx" else run) or _no_format(written))
        elif letters:
            _no_format(written)
        else:
            told.append((quoted or other).replace("%", "%%"))
    return "".join(told)


def _no_format(written: Any) -> str:
    raise ValueError(f"the format {written!r} is not understood; write one such as yyyy-MM-dd HH:mm:ss")
