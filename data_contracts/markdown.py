"""A contract as one readable page of Markdown: what the table holds, what it keeps, and what happens if it does not."""

from collections.abc import Iterator

from data_contracts.contract import Column, Contract, ServiceLevel
from data_contracts.rules import QualityRule

OUTCOMES = {
    "error": "stops the night",
    "warning": "the rows go to quarantine, the night goes on",
    "info": "is told, nothing more",
    "series": "the series is set aside for the night, the others go on",
}


def render_markdown(contract: Contract) -> str:
    """The page; nothing in it depends on anything but the contract."""
    parts = [f"# {_plain(contract.title or contract.id)}", f"Contract `{_plain(contract.label)}`."]
    parts += [_plain(contract.purpose)] if contract.purpose else []
    parts += ["## Columns", "\n".join(_columns(contract)), *_below_the_columns(contract)]
    parts += ["## Rules", "\n".join(_rules(contract))]
    if contract.levels:
        parts += ["## Service levels", "\n".join(_level(level) for level in contract.levels)]
    if contract.informal_rules:
        parts += ["## Said, and judged by nobody", "\n".join(f"- {_plain(word)}" for word in contract.informal_rules)]
    return "\n\n".join(parts) + "\n"


def _columns(contract: Contract) -> Iterator[str]:
    yield "| column | type | unit | empty? | meaning | examples |"
    yield "|---|---|---|---|---|---|"
    for column in contract.columns:
        cells = (
            f"`{_plain(column.name)}`" + (" (key)" if column.key else ""),
            _type(column),
            column.unit or "",
            "never" if column.required else "may be",
            column.description,
            ", ".join(column.examples),
        )
        yield "| " + " | ".join(_plain(cell) if number else cell for number, cell in enumerate(cells)) + " |"


def _type(column: Column) -> str:
    told = [column.promised]
    told += [f"written {column.format}"] if column.format else []
    told += ["with a zone or offset"] if column.zoned else []
    told += [f"in {column.zone} where it carries no zone"] if column.zone else []
    return ", ".join(told)


def _below_the_columns(contract: Contract) -> Iterator[str]:
    if contract.key:
        yield f"One row for each {', '.join(f'`{_plain(name)}`' for name in contract.key)}."
    if contract.extra_columns_pattern:
        yield f"Further columns may stand in it: those whose names match `{_plain(contract.extra_columns_pattern)}`."


def _rules(contract: Contract) -> Iterator[str]:
    for rule in contract.rules:
        yield _rule(rule)
    yield (
        "- A row that is no observation (text for a number, an empty required value, a repeated key, a time off the "
        f"grid): {OUTCOMES[contract.row_faults]}."
    )


def _rule(rule: QualityRule) -> str:
    fate = OUTCOMES["series" if (rule.severity, rule.scope) == ("error", "series") else rule.severity]
    where = ", ".join(f"`{_plain(name)}`" for name in rule.columns)
    allowed = rule.allowed.sentence if rule.allowed and not rule.allowed.none_at_all else ""
    what = "rows" if not rule.columns else "at fault"
    told = [
        where,
        f"{allowed} {what}" if allowed else "",
        "each series by itself" if rule.scope == "series" else "",
        fate,
    ]
    said = rule.sentence if rule.sentence == rule.name else f"{rule.name}: {rule.sentence}"
    return f"- {_plain(said.rstrip('.'))} ({'; '.join(filter(None, told))})."


def _level(level: ServiceLevel) -> str:
    said = f" {_plain(level.description)}" if level.description else ""
    if not level.enforced:
        return f"- {_plain(level.property)}: {_plain(level.value)}; said, not judged by Nightcast.{said}"
    each = " of each series" if level.scope == "series" else ""
    fate = "series" if (level.severity, level.scope) == ("error", "series") else level.severity
    happens = "is told, nothing more" if fate in ("warning", "info") else OUTCOMES[fate]
    return (
        f"- {level.property}: the newest observation{each} is at most {level.value} old; an older one: {happens}.{said}"
    )


def _plain(text: str) -> str:
    """Text that can't end a cell, begin a tag, or break a line."""
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;").replace("`", "'")
