"""What each rule of the house asks of a row, and the way out for a row that breaks it."""

import re
from typing import NamedTuple

from data_contracts.contract import Contract


class Remedy(NamedTuple):
    requirement: str
    fix: str


MEND = "mend the value at the source"
RULES: tuple[tuple[str, Remedy], ...] = (
    (
        r"one row a series and time",
        Remedy(
            "a series has one value a time, and this row is not the one that counts",
            "say in the pipeline which counts (cleaning: {repeated: first, last, mean or sum}), or delete the others",
        ),
    ),
    (r"the key is unique", Remedy("a key of the contract stands once", "delete the repeats, or change the key")),
    (
        r"ds is on the grid",
        Remedy("a time is one of the steps of freq", "round it at the source, or name the step it has with freq"),
    ),
    (
        r"ds is near the others",
        Remedy("a time lies within reach of the newest", "it is a slip such as the year 202: mend it at the source"),
    ),
    (
        r"ds is a time",
        Remedy(
            "a row has one moment in time",
            "write it as 2024-01-31 13:00; on a night when clocks change with its offset, or as UTC",
        ),
    ),
    (r"ds has a zone", Remedy("a time says its zone", "write it with an offset, as 2024-01-31T13:00+01:00")),
    (r"unique_id is a name", Remedy("a row says to which series it belongs", "give it a name of plain letters")),
    (r"(.+) is a number", Remedy("{0} is a number or empty", MEND + ", or leave it empty")),
    (r"(.+) is finite", Remedy("{0} is finite", MEND + ", or leave it empty")),
    (r"(.+) is whole", Remedy("{0} is a whole number", MEND + ", or promise a number in the contract")),
    (r"(.+) is a time", Remedy("{0} is a time or empty", MEND + ", or leave it empty")),
    (r"(.+) is true or false", Remedy("{0} is true, false or empty", MEND)),
    (r"(.+) is required", Remedy("{0} is never empty", "fill it at the source, or drop required in the contract")),
    (
        r"freshness|latency",
        Remedy("the newest observation of a series is young enough", "bring newer rows, or promise less"),
    ),
)


def find_remedy(rule: str, contract: Contract | None, pipeline: str) -> Remedy:
    """By the words of the contract where the rule is its own, else by those of the house."""
    for promised in contract.rules if contract else ():
        if promised.name == rule:
            where = f"in the contract {contract.label}" if contract else ""
            return Remedy(promised.sentence, f"{MEND}, or change the rule {where}")
    for pattern, remedy in RULES:
        if found := re.fullmatch(pattern, rule):
            return Remedy(
                remedy.requirement.format(*found.groups()) if found.groups() else remedy.requirement, remedy.fix
            )
    return Remedy(
        "the rule is no longer one of the contract", f"run `nightcast check {pipeline}` to judge the rows anew"
    )
