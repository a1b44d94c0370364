"""What each built-in rule requires of a row, and how to fix a row that breaks it."""

import re
from typing import NamedTuple

from data_contracts.contract import Contract


class Remedy(NamedTuple):
    """What a rule requires, and how to fix a violation."""

    requirement: str
    fix: str


CORRECT_VALUE = "correct the value at the source"
REMEDIES: tuple[tuple[str, Remedy], ...] = (  # the rule's name as a regular expression; its groups fill {0}
    (
        r"one row a series and time",
        Remedy(
            "a series has one value per time, and this row is not the one that is used",
            "choose in the pipeline which row is used (cleaning: {repeated: first, last, mean or sum}), or delete the "
            "other rows",
        ),
    ),
    (
        r"the key is unique",
        Remedy("each key of the contract occurs once", "delete the repeated rows, or change the key in the contract"),
    ),
    (
        r"ds is on the grid",
        Remedy("a time is on a step of freq", "round the time at the source, or set freq to the step of the data"),
    ),
    (
        r"ds is near the others",
        Remedy(
            "a time is near the others",
            "correct the time at the source or remove the row; it may stand for a missing date, such as 1900-01-01 or "
            "2099-12-31, or be a typo such as the year 202",
        ),
    ),
    (
        r"ds is a time",
        Remedy(
            "a row has one valid time",
            "write it as 2024-01-31 13:00; on a night when clocks change with its offset, or as UTC",
        ),
    ),
    (r"ds is one moment", Remedy("a time occurs once", "write it with its offset, or in UTC")),
    (r"ds has a zone", Remedy("a time has a time zone", "write it with an offset, as 2024-01-31T13:00+01:00")),
    (
        r"unique_id is a name",
        Remedy("a row names its series", "give it a name that is not empty and has no control characters"),
    ),
    (r"(.+) is a number", Remedy("{0} is a number or empty", CORRECT_VALUE + ", or leave it empty")),
    (r"(.+) is finite", Remedy("{0} is finite", CORRECT_VALUE + ", or leave it empty")),
    (r"(.+) is in range", Remedy("{0} is small enough to compute with", CORRECT_VALUE + ", or use a larger unit")),
    (r"(.+) is whole", Remedy("{0} is a whole number", CORRECT_VALUE + ", or promise a number in the contract")),
    (r"(.+) is a time", Remedy("{0} is a valid time or empty", CORRECT_VALUE + ", or leave it empty")),
    (r"(.+) is true or false", Remedy("{0} is true, false or empty", CORRECT_VALUE)),
    (
        r"(.+) is required",
        Remedy("{0} is never empty", "fill the value at the source, or remove `required` in the contract"),
    ),
    (
        r"freshness|latency",
        Remedy(
            "the newest observation of a series is as recent as promised",
            "bring newer rows, or promise less in the contract",
        ),
    ),
)


def find_remedy(rule: str, contract: Contract | None, pipeline: str) -> Remedy:
    """Return the remedy for a rule: in the contract's words if the rule is in the contract, otherwise the built-in."""
    for contract_rule in contract.rules if contract else ():
        if contract_rule.name == rule:
            where = f"in the contract {contract.label}" if contract else ""
            return Remedy(contract_rule.sentence, f"{CORRECT_VALUE}, or change the rule {where}")
    for pattern, remedy in REMEDIES:
        if match := re.fullmatch(pattern, rule):
            groups = match.groups()
            return Remedy(remedy.requirement.format(*groups) if groups else remedy.requirement, remedy.fix)
    return Remedy(
        "the contract does not have this rule any more", f"run `nightcast check {pipeline}` to check the rows again"
    )
