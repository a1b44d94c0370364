"""Differences between two contracts, and whether each one breaks the readers of the table.

A change is breaking if it removes a promise: a column is removed, new values become possible, a rule is loosened.
Additional promises are compatible.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from data_contracts.compatibility import Effect, compare_rules, format_value, type_change
from data_contracts.contract import Column, Contract, ServiceLevel
from data_contracts.rules import QualityRule
from data_contracts.spec import Spec

STRICTNESS = {("info", "table"): 0, ("info", "series"): 0, ("warning", "table"): 1, ("warning", "series"): 1,
              ("error", "series"): 2, ("error", "table"): 3}  # fmt: skip
ROW_FAULTS = {"warning": 0, "series": 1, "error": 2}
CONSEQUENCES = {"info": "only reports", "warning": "sends rows to quarantine", "error": "stops the night"}
ZONE_ALIASES = {None: "UTC", "Etc/UTC": "UTC"}
MINUTES = {"min": 1.0, "h": 60.0, "D": 1440.0, "W": 10080.0}


class Change(Spec):
    """One difference: its effect on readers, its location, and the old and new values."""

    effect: Effect
    where: str
    what: str

    @property
    def line(self) -> str:
        """The change as one line of text."""
        return f"{self.effect:<10}  {self.where}: {self.what}"


def changes(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Return every difference between `old` and `new`, breaking ones first."""
    differences = [*_diff_table(old, new), *_diff_columns(old, new), *_diff_rules(old, new), *_diff_levels(old, new)]
    differences += _diff_version(old, new, differences)
    order: dict[Effect, int] = {"breaking": 0, "unclear": 1, "compatible": 2}
    return tuple(sorted(differences, key=lambda change: order[change.effect]))


def breaks(differences: Sequence[Change]) -> bool:
    """Return whether one of the changes is breaking."""
    return any(change.effect == "breaking" for change in differences)


def _diff_table(old: Contract, new: Contract) -> Iterator[Change]:
    if old.id != new.id:
        yield Change(
            effect="unclear",
            where="id",
            what=f"{format_value(old.id)} → {format_value(new.id)}; check that it is the same table",
        )
    if set(old.key) != set(new.key):
        effect: Effect = "breaking" if old.key else "compatible"
        before, after = (", ".join(key) or "none" for key in (old.key, new.key))
        yield Change(effect=effect, where="key", what=f"{before} → {after}")
    if old.row_faults != new.row_faults:
        effect = "breaking" if ROW_FAULTS[new.row_faults] < ROW_FAULTS[old.row_faults] else "compatible"
        yield Change(effect=effect, where="rowFaults", what=f"{old.row_faults} → {new.row_faults}")
    if old.extra_columns_pattern != new.extra_columns_pattern:
        effect = "unclear" if old.extra_columns_pattern else "compatible"
        what = f"{format_value(old.extra_columns_pattern)} → {format_value(new.extra_columns_pattern)}"
        yield Change(effect=effect, where="otherColumns", what=what)
    for where, before, after in (("name", old.title, new.title), ("description", old.purpose, new.purpose)):
        if before != after:
            yield Change(effect="compatible", where=where, what=f"{format_value(before)} → {format_value(after)}")
    for word in [word for word in old.informal_rules if word not in new.informal_rules]:
        yield Change(effect="unclear", where="text rule", what=f"{format_value(word)} removed")
    for word in [word for word in new.informal_rules if word not in old.informal_rules]:
        yield Change(effect="compatible", where="text rule", what=f"{format_value(word)} added")


def _diff_columns(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({column.name: column for column in contract.columns} for contract in (old, new))
    fresh = [column for column in new.columns if column.name not in before]
    for name, column in before.items():
        if name in after:
            yield from _diff_column(column, after[name])
            continue
        rename_candidates = [
            other for other in fresh if other.kind == column.kind and other.description == column.description
        ]
        hint = f"; renamed to {rename_candidates[0].name}?" if len(rename_candidates) == 1 else ""
        yield Change(effect="breaking", where=f"column {name}", what=f"removed ({column.promised}){hint}")
    for column in fresh:
        yield Change(effect="compatible", where=f"column {column.name}", what=f"added ({column.promised})")


def _diff_column(old: Column, new: Column) -> Iterator[Change]:
    where = f"column {old.name}"
    effect: Effect
    if changed := type_change(old, new):
        effect, word = changed
        yield Change(effect=effect, where=where, what=f"{old.promised} → {new.promised} ({word})")
    if old.required != new.required:
        what = "required → may be empty" if old.required else "may be empty → required"
        yield Change(effect="breaking" if old.required else "compatible", where=where, what=what)
    before, after = (ZONE_ALIASES.get(column.zone, column.zone) for column in (old, new))
    if before != after:
        yield Change(effect="breaking", where=where, what=f"time zone of naive times {before} → {after}")
    for word, value, new_value in (
        ("timezone", old.zoned, new.zoned),
        ("format", old.format, new.format),
        ("unit", old.unit, new.unit),
    ):
        if value != new_value:
            effect = "unclear" if value is None else "breaking"  # the old contract did not specify it
            yield Change(effect=effect, where=where, what=f"{word} {format_value(value)} → {format_value(new_value)}")
    for word, text, new_text in (
        ("description", old.description, new.description),
        ("examples", old.examples, new.examples),
    ):
        if text != new_text:
            what = f"{word} {format_value(text)} → {format_value(new_text)}"
            yield Change(effect="compatible", where=where, what=what)


def _diff_rules(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = _index_by_name(old.rules), _index_by_name(new.rules)
    kept = {column.name for column in new.columns}
    for name, rule in before.items():
        where = f"rule {rule.name!r}"
        if name in after:
            yield from _diff_rule(where, rule, after[name])
        elif not rule.columns or kept & set(rule.columns):  # else the removed column is reported already
            effect: Effect = "compatible" if rule.severity == "info" else "breaking"
            yield Change(effect=effect, where=where, what=f"removed ({rule.sentence})")
    for name, rule in after.items():
        if name not in before:
            yield Change(effect="compatible", where=f"rule {rule.name!r}", what=f"added ({rule.sentence})")


def _index_by_name(rules: tuple[QualityRule, ...]) -> dict[tuple[str, int], QualityRule]:
    """Index rules by id, or else name, and the number of earlier rules of that name."""
    named: dict[tuple[str, int], QualityRule] = {}
    for rule in rules:
        name = rule.id or rule.name
        named[name, sum(1 for known, _ in named if known == name)] = rule
    return named


def _diff_rule(where: str, old: QualityRule, new: QualityRule) -> Iterator[Change]:
    before, after = (STRICTNESS[rule.severity, rule.scope] for rule in (old, new))
    if before != after:
        what = f"{_consequence(old)} → {_consequence(new)}"
        yield Change(effect="breaking" if after < before else "compatible", where=where, what=what)
    elif old.scope != new.scope:
        yield Change(effect="unclear", where=where, what=f"scope {old.scope} → {new.scope}")
    if old.expectation != new.expectation:
        yield Change(effect="unclear", where=where, what=f"{old.expectation} → {new.expectation}")
    else:
        yield from (Change(effect=effect, where=where, what=what) for effect, what in compare_rules(old, new))
    if (old.name, old.sentence) != (new.name, new.sentence) and old.arguments == new.arguments:
        yield Change(
            effect="compatible", where=where, what=f"{format_value(old.sentence)} → {format_value(new.sentence)}"
        )


def _consequence(rule: QualityRule) -> str:
    return (
        "excludes the violating series"
        if (rule.severity, rule.scope) == ("error", "series")
        else CONSEQUENCES[rule.severity]
    )


def _diff_levels(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({(level.property, level.scope): level for level in contract.levels} for contract in (old, new))
    for key, level in before.items():
        where = f"service level {level.property}"
        if key not in after:
            effect: Effect = "breaking" if level.enforced and level.severity == "error" else "unclear"
            yield Change(effect=effect, where=where, what=f"{level.value} removed")
        else:
            yield from _diff_level(where, level, after[key])
    for key, level in after.items():
        if key not in before:
            yield Change(effect="compatible", where=f"service level {level.property}", what=f"{level.value} added")


def _diff_level(where: str, old: ServiceLevel, new: ServiceLevel) -> Iterator[Change]:
    if old.value != new.value:
        longer = _minutes(new.value) > _minutes(old.value)
        effect: Effect = ("breaking" if longer else "compatible") if old.enforced else "unclear"
        yield Change(effect=effect, where=where, what=f"{old.value} → {new.value}")
    if old.severity != new.severity:
        effect = "breaking" if STRICTNESS[new.severity, "table"] < STRICTNESS[old.severity, "table"] else "compatible"
        yield Change(effect=effect, where=where, what=f"severity {old.severity} → {new.severity}")


def _minutes(age: str) -> float:
    match = re.fullmatch(r"([\d.]+)(min|h|D|W)", age)
    return float(match[1]) * MINUTES[match[2]] if match else 0.0


def _diff_version(old: Contract, new: Contract, differences: Sequence[Change]) -> Iterator[Change]:
    """Require a new major version for a breaking change (minor before 1.0.0), a higher version for any other."""
    step = f"{old.version} → {new.version}"
    before, after = (_parse_semantic_version(version) for version in (old.version, new.version))
    if before is None or after is None:
        if old.version != new.version:
            yield Change(effect="unclear", where="version", what=f"{step}; write versions as 1.2.3")
        return
    if breaks(differences):
        needed = (before[0] + 1, 0, 0) if before[0] else (0, before[1] + 1, 0)
        if after < needed:
            minimum = ".".join(map(str, needed))
            yield Change(effect="breaking", where="version", what=f"{step}; a breaking change requires {minimum}")
            return
    elif differences and after <= before:
        yield Change(effect="unclear", where="version", what=f"{step}; a change requires a higher version")
        return
    if before != after:
        lower: Literal["unclear", "compatible"] = "unclear" if after < before else "compatible"
        yield Change(effect=lower, where="version", what=step)


def _parse_semantic_version(version: str) -> tuple[int, int, int] | None:
    match = re.fullmatch(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+].*)?", version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
