"""What a change of a contract does to those who read the table: each difference, and whether it breaks them.

A reader is broken by what is promised no longer: a column gone, a value that could not stand there before, a rule
loosened. What is promised on top breaks nobody.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from data_contracts.compatibility import Effect, loosened, shown, type_change
from data_contracts.contract import Column, Contract, ServiceLevel
from data_contracts.rules import QualityRule
from data_contracts.spec import Spec

STRICTNESS = {("info", "table"): 0, ("info", "series"): 0, ("warning", "table"): 1, ("warning", "series"): 1,
              ("error", "series"): 2, ("error", "table"): 3}  # fmt: skip
ROW_FAULTS = {"warning": 0, "series": 1, "error": 2}
CONSEQUENCES = {"info": "is told", "warning": "sends rows to quarantine", "error": "stops the night"}
UTC = {None: "UTC", "Etc/UTC": "UTC"}
MINUTES = {"min": 1.0, "h": 60.0, "D": 1440.0, "W": 10080.0}


class Change(Spec):
    """One difference: what it does to readers, where it stands, and what became of what."""

    effect: Effect
    where: str
    what: str

    @property
    def line(self) -> str:
        return f"{self.effect:<10}  {self.where}: {self.what}"


def changes(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference of `new` from `old`, the breaking ones first; none where they promise the same."""
    found = [*_of_table(old, new), *_of_columns(old, new), *_of_rules(old, new), *_of_levels(old, new)]
    found += _of_version(old, new, found)
    order: dict[Effect, int] = {"breaking": 0, "unclear": 1, "compatible": 2}
    return tuple(sorted(found, key=lambda change: order[change.effect]))


def breaks(found: Sequence[Change]) -> bool:
    return any(change.effect == "breaking" for change in found)


def _of_table(old: Contract, new: Contract) -> Iterator[Change]:
    if old.id != new.id:
        yield Change(effect="unclear", where="id", what=f"{shown(old.id)} → {shown(new.id)}; is it the same table?")
    if set(old.key) != set(new.key):
        effect: Effect = "breaking" if old.key else "compatible"
        before, after = (", ".join(key) or "none" for key in (old.key, new.key))
        yield Change(effect=effect, where="key", what=f"{before} → {after}")
    if old.row_faults != new.row_faults:
        effect = "breaking" if ROW_FAULTS[new.row_faults] < ROW_FAULTS[old.row_faults] else "compatible"
        yield Change(effect=effect, where="rowFaults", what=f"{old.row_faults} → {new.row_faults}")
    if old.extra_columns_pattern != new.extra_columns_pattern:
        told = f"{shown(old.extra_columns_pattern)} → {shown(new.extra_columns_pattern)}"
        yield Change(effect="unclear" if old.extra_columns_pattern else "compatible", where="otherColumns", what=told)
    for where, before, after in (("name", old.title, new.title), ("description", old.purpose, new.purpose)):
        if before != after:
            yield Change(effect="compatible", where=where, what=f"{shown(before)} → {shown(after)}")
    for word in [word for word in old.informal_rules if word not in new.informal_rules]:
        yield Change(effect="unclear", where="text rule", what=f"{shown(word)} is said no longer")
    for word in [word for word in new.informal_rules if word not in old.informal_rules]:
        yield Change(effect="compatible", where="text rule", what=f"{shown(word)} is said now")


def _of_columns(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({column.name: column for column in one.columns} for one in (old, new))
    fresh = [column for column in new.columns if column.name not in before]
    for name, column in before.items():
        if name in after:
            yield from _of_column(column, after[name])
            continue
        twins = [one for one in fresh if one.kind == column.kind and one.description == column.description]
        hint = f"; renamed to {twins[0].name}?" if len(twins) == 1 else ""
        yield Change(effect="breaking", where=f"column {name}", what=f"removed ({column.promised}){hint}")
    for column in fresh:
        yield Change(effect="compatible", where=f"column {column.name}", what=f"added ({column.promised})")


def _of_column(old: Column, new: Column) -> Iterator[Change]:
    where = f"column {old.name}"
    effect: Effect
    if changed := type_change(old, new):
        effect, word = changed
        yield Change(effect=effect, where=where, what=f"{old.promised} → {new.promised} ({word})")
    if old.required != new.required:
        told = "required → may be empty" if old.required else "may be empty → required"
        yield Change(effect="breaking" if old.required else "compatible", where=where, what=told)
    before, after = (UTC.get(column.zone, column.zone) for column in (old, new))
    if before != after:
        yield Change(effect="breaking", where=where, what=f"times without a zone are in {before} → {after}")
    for word, one, other in (
        ("timezone", old.zoned, new.zoned),
        ("format", old.format, new.format),
        ("unit", old.unit, new.unit),
    ):
        if one != other:
            effect = "unclear" if one is None else "breaking"  # what was meant before, nobody said
            yield Change(effect=effect, where=where, what=f"{word} {shown(one)} → {shown(other)}")
    for word, text, now in (
        ("description", old.description, new.description),
        ("examples", old.examples, new.examples),
    ):
        if text != now:
            yield Change(effect="compatible", where=where, what=f"{word} {shown(text)} → {shown(now)}")


def _of_rules(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = _named(old.rules), _named(new.rules)
    kept = {column.name for column in new.columns}
    for name, rule in before.items():
        where = f"rule {rule.name!r}"
        if name in after:
            yield from _of_rule(where, rule, after[name])
        elif not rule.columns or kept & set(rule.columns):  # of a column that is gone, that is said already
            effect: Effect = "compatible" if rule.severity == "info" else "breaking"
            yield Change(effect=effect, where=where, what=f"dropped ({rule.sentence})")
    for name, rule in after.items():
        if name not in before:
            yield Change(effect="compatible", where=f"rule {rule.name!r}", what=f"added ({rule.sentence})")


def _named(rules: tuple[QualityRule, ...]) -> dict[tuple[str, int], QualityRule]:
    """Rules by their id, or their name, and how many of that name came before."""
    named: dict[tuple[str, int], QualityRule] = {}
    for rule in rules:
        name = rule.id or rule.name
        named[name, sum(1 for known, _ in named if known == name)] = rule
    return named


def _of_rule(where: str, old: QualityRule, new: QualityRule) -> Iterator[Change]:
    before, after = (STRICTNESS[rule.severity, rule.scope] for rule in (old, new))
    if before != after:
        told = f"{_fate(old)} → {_fate(new)}"
        yield Change(effect="breaking" if after < before else "compatible", where=where, what=told)
    elif old.scope != new.scope:
        yield Change(effect="unclear", where=where, what=f"judged by {old.scope} → by {new.scope}")
    if old.expectation != new.expectation:
        yield Change(effect="unclear", where=where, what=f"{old.expectation} → {new.expectation}")
    else:
        yield from (Change(effect=effect, where=where, what=told) for effect, told in loosened(old, new))
    if (old.name, old.sentence) != (new.name, new.sentence) and old.arguments == new.arguments:
        yield Change(effect="compatible", where=where, what=f"{shown(old.sentence)} → {shown(new.sentence)}")


def _fate(rule: QualityRule) -> str:
    return (
        "sets the series at fault aside"
        if (rule.severity, rule.scope) == ("error", "series")
        else CONSEQUENCES[rule.severity]
    )


def _of_levels(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({(level.property, level.scope): level for level in one.levels} for one in (old, new))
    for place, level in before.items():
        where = f"service level {level.property}"
        if place not in after:
            effect: Effect = "breaking" if level.enforced and level.severity == "error" else "unclear"
            yield Change(effect=effect, where=where, what=f"{level.value} is promised no longer")
        else:
            yield from _of_level(where, level, after[place])
    for place, level in after.items():
        if place not in before:
            yield Change(effect="compatible", where=f"service level {level.property}", what=f"{level.value} is new")


def _of_level(where: str, old: ServiceLevel, new: ServiceLevel) -> Iterator[Change]:
    if old.value != new.value:
        longer = _minutes(new.value) > _minutes(old.value)
        effect: Effect = ("breaking" if longer else "compatible") if old.enforced else "unclear"
        yield Change(effect=effect, where=where, what=f"{old.value} → {new.value}")
    if old.severity != new.severity:
        effect = "breaking" if STRICTNESS[new.severity, "table"] < STRICTNESS[old.severity, "table"] else "compatible"
        yield Change(effect=effect, where=where, what=f"severity {old.severity} → {new.severity}")


def _minutes(age: str) -> float:
    found = re.fullmatch(r"([\d.]+)(min|h|D|W)", age)
    return float(found[1]) * MINUTES[found[2]] if found else 0.0


def _of_version(old: Contract, new: Contract, found: Sequence[Change]) -> Iterator[Change]:
    """A breaking change asks for a new major version (before 1.0.0: a new minor one), any other for a new version."""
    told = f"{old.version} → {new.version}"
    before, after = (_semantic(version) for version in (old.version, new.version))
    if before is None or after is None:
        if old.version != new.version:
            yield Change(effect="unclear", where="version", what=f"{told}; write versions as 1.2.3")
        return
    if breaks(found):
        needed = (before[0] + 1, 0, 0) if before[0] else (0, before[1] + 1, 0)
        if after < needed:
            asked = ".".join(map(str, needed))
            yield Change(effect="breaking", where="version", what=f"{told}; a breaking change needs {asked}")
            return
    elif found and after <= before:
        yield Change(effect="unclear", where="version", what=f"{told}; a change needs a higher version")
        return
    if before != after:
        lower: Literal["unclear", "compatible"] = "unclear" if after < before else "compatible"
        yield Change(effect=lower, where="version", what=told)


def _semantic(version: str) -> tuple[int, int, int] | None:
    found = re.fullmatch(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+].*)?", version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
